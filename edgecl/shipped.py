"""Settings that ship as TOML files inside a package, each asked for by its name."""

from __future__ import annotations

from importlib.resources import files

_SUFFIX = ".toml"


def shipped_names(package: str) -> tuple[str, ...]:
    """Return the names of the files in a package, sorted."""
    found = (entry.name for entry in files(package).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def shipped_text(package: str, name: str) -> str:
    """Return the content of one of these files, TOML."""
    return (files(package) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
