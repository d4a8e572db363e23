"""Settings as one frozen struct, from a TOML file and from options; a key that is unknown or wrong is named."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from edgecl.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

Settings = TypeVar("Settings", bound=msgspec.Struct)


def known_keys(kind: type[Settings]) -> tuple[str, ...]:
    """Return every key of settings that have a default throughout, dotted."""
    defaults = kind()
    keys: list[str] = []
    for name in kind.__struct_fields__:
        value = getattr(defaults, name)
        is_table = isinstance(value, msgspec.Struct)
        keys += [f"{name}.{key}" for key in value.__struct_fields__] if is_table else [name]
    return tuple(keys)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error


def build_settings(
    kind: type[Settings],
    tree: dict[str, Any],
    *,
    overrides: Mapping[str, Any],
    where: str,
    page: str | None = None,
) -> Settings:
    """Return settings from a tree of tables, with single keys overridden.

    Args:
        kind: The struct of the settings.
        tree: Its tables; changed by the overrides.
        overrides: Values by dotted key, such as `{"training.epochs": "3"}`; text is converted to the key's type.
        where: What the tree was read from, for messages.
        page: The page of the documentation that lists all keys, for messages; None lets them list the keys themselves.

    Raises:
        ConfigError: An unknown key, or a value of the wrong type or range; names the key.
    """
    known = known_keys(kind)
    for key in _unknown_keys(tree, known):
        raise ConfigError(f"{where}, {key}: no such key. {_way_to_keys(key, known, page)}")
    for key, value in overrides.items():
        if key not in known:
            raise ConfigError(f"--set {key}: no such key. {_way_to_keys(key, known, page)}")
        _set(tree, key, value)
    try:
        settings = msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {str(error).replace('`$.', '`')}") from error
    for key in known:
        value = attrgetter(key)(settings)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: Expected a finite number, got {value} - at `{key}`")
    return settings


def _unknown_keys(tree: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    """Yield the keys of a tree of tables that no setting has, dotted."""
    tables = {key.partition(".")[0] for key in known}
    for name, value in tree.items():
        keys = [f"{name}.{key}" for key in value] if isinstance(value, dict) and value else [name]
        yield from (key for key in keys if key not in known and key not in tables)


def _way_to_keys(key: str, known: tuple[str, ...], page: str | None) -> str:
    """Return the sentences that lead from a key that there is not to those there are."""
    nearest = _nearest(key, known)
    question = "" if nearest is None else f"Did you mean {nearest}? "
    return question + (f"Known keys: {', '.join(known)}" if page is None else f"{page} lists all keys")


def _nearest(key: str, known: tuple[str, ...]) -> str | None:
    """Return the known key that was probably meant, by its name in whatever table or as a whole, if any."""
    tables: dict[str, list[str]] = {}
    for each in known:
        tables.setdefault(each.rpartition(".")[2], []).append(each)
    names = get_close_matches(key.rpartition(".")[2], tables, n=1, cutoff=0.7)
    found = get_close_matches(key, tables[names[0]], n=1, cutoff=0) if names else []
    return next(iter(found or get_close_matches(key, known, n=1, cutoff=0.8)), None)


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *tables, name = key.split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
        if not isinstance(tree, dict):
            raise ConfigError(
                f"--set {key}: the file holds {table!r} as one value, expected the table [{table}]"
            )
    tree[name] = value
