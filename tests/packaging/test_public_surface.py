from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

DISTRIBUTED = ("edgecl", "edgecl_devices", "edgecl_export", "edgecl_runtime")


def packages() -> list[str]:
    """Return the four packages and all packages inside them."""
    inside = [
        entry.name
        for top in DISTRIBUTED
        for entry in pkgutil.walk_packages(importlib.import_module(top).__path__, prefix=f"{top}.")
        if entry.ispkg
    ]
    return sorted([*DISTRIBUTED, *inside])


def bound_names(statements: list[ast.stmt], *, package: str) -> Iterator[str]:
    """Yield the names that statements bind, without those borrowed from outside the package."""
    for statement in statements:
        match statement:
            case ast.ImportFrom(module=module, names=names, level=level):
                if level == 1 or f"{module}.".startswith(f"{package}."):
                    yield from (alias.asname or alias.name for alias in names)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=body):
                yield from bound_names(body, package=package)


def public_names(name: str) -> set[str]:
    """Return the names of ours in the `__init__.py` of a package that are not private."""
    source = Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")
    return {bound for bound in bound_names(ast.parse(source).body, package=name) if not bound.startswith("_")}


def listed_names(name: str) -> list[str]:
    """Return what a package lists in `__all__`; the version is listed or not, as it likes."""
    listed = getattr(importlib.import_module(name), "__all__", ())
    return [entry for entry in listed if entry != "__version__"]


def order(name: str) -> tuple[bool, bool, str]:
    """Return the key ruff sorts `__all__` by: constants, then classes, then functions."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("name", packages())
def test_all_lists_the_public_names(name: str) -> None:
    assert set(listed_names(name)) == public_names(name)


@pytest.mark.parametrize("name", packages())
def test_everything_listed_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert [entry for entry in listed_names(name) if not hasattr(module, entry)] == []


@pytest.mark.parametrize("name", packages())
def test_all_is_sorted(name: str) -> None:
    assert listed_names(name) == sorted(listed_names(name), key=order)
