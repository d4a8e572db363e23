"""Settings as one frozen struct, from a TOML file and from options; a key that is unknown or wrong is named."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
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
    kind: type[Settings], tree: dict[str, Any], *, overrides: Mapping[str, Any], where: str
) -> Settings:
    """Return settings from a tree of tables, with single keys overridden.

    Args:
        kind: The struct of the settings.
        tree: Its tables; changed by the overrides.
        overrides: Values by dotted key, such as `{"training.epochs": "3"}`; text is converted to the key's type.
        where: What the tree was read from, for messages.

    Raises:
        ConfigError: An unknown key, or a value of the wrong type or range; names the key.
    """
    for key, value in overrides.items():
        _set(tree, key, value, known_keys(kind))
    try:
        settings = msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}. Known keys: {', '.join(known_keys(kind))}") from error
    for key in known_keys(kind):
        value = attrgetter(key)(settings)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: Expected a finite number, got {value} - at `$.{key}`")
    return settings


def _set(tree: dict[str, Any], key: str, value: Any, known: tuple[str, ...]) -> None:
    if key not in known:
        raise ConfigError(f"--set {key}: no such key. Known keys: {', '.join(known)}")
    *tables, name = key.split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
        if not isinstance(tree, dict):
            raise ConfigError(
                f"--set {key}: the file holds {table!r} as one value, expected the table [{table}]"
            )
    tree[name] = value
