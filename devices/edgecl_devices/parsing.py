"""Strict reading of a profile's TOML file: every value stands beside its source.

A value that is not known is left out; a value without a source is refused.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from edgecl_devices.errors import ProfileFormatError
from edgecl_devices.profile import BACKENDS, PRECISIONS, DeviceProfile, InstallLine

__all__ = ["parse_profile"]

T = TypeVar("T")

_SOURCES = ("https://", "measured by ")
_REQUIRED = ("name", "description", "providers", "precision")
_OPTIONAL = ("backend", "threads", "batch", "memory_bytes", "latency_ms", "install")
_INSTALL = ("os", "python", "line", "source")


def parse_profile(text: str, *, name: str) -> DeviceProfile:
    """Return the profile that the TOML text of `name`.toml describes.

    Raises:
        ProfileFormatError: The text is not TOML, or a key is missing, unknown, wrong, or without a source.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileFormatError(name, f"not TOML: {error}") from error
    return _Reader(name).profile(table)


class _Reader:
    """Reads the tables of one profile; its name begins every error."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sources: dict[str, str] = {}

    def profile(self, table: Mapping[str, object]) -> DeviceProfile:
        self._check_keys("", table, required=_REQUIRED, optional=_OPTIONAL)
        name = self._text("name", table["name"])
        if name != self._name:
            raise self._error("name", name, f"the file's name, {self._name!r}")
        return DeviceProfile(
            name=name,
            description=self._text("description", table["description"]),
            providers=self._sourced("providers", table["providers"], self._texts),
            precision=self._sourced("precision", table["precision"], self._one_of(PRECISIONS)),
            backend=self._optional("backend", table, self._one_of(BACKENDS)),
            threads=self._optional("threads", table, self._count),
            batch=self._optional("batch", table, self._count),
            memory_bytes=self._optional("memory_bytes", table, self._count),
            latency_ms=self._optional("latency_ms", table, self._positive),
            install=self._install(table.get("install", [])),
            sources=self._sources,
        )

    def _optional(self, key: str, table: Mapping[str, object], read: Callable[[str, object], T]) -> T | None:
        return self._sourced(key, table[key], read) if key in table else None

    def _sourced(self, key: str, entry: object, read: Callable[[str, object], T]) -> T:
        if not isinstance(entry, dict):
            raise self._error(key, entry, "a table with a `value` and its `source`")
        self._check_keys(key, entry, required=("value", "source"))
        self._sources[key] = self._source(f"{key}.source", entry["source"])
        return read(f"{key}.value", entry["value"])

    def _install(self, entries: object) -> tuple[InstallLine, ...]:
        if not isinstance(entries, list):
            raise self._error("install", entries, "a list of tables")
        return tuple(self._install_line(entry) for entry in entries)

    def _install_line(self, entry: object) -> InstallLine:
        if not isinstance(entry, dict):
            raise self._error("install", entry, "a list of tables")
        self._check_keys("install", entry, required=_INSTALL)
        self._source("install.source", entry["source"])
        return InstallLine(**{key: self._text(f"install.{key}", entry[key]) for key in _INSTALL})

    def _source(self, key: str, value: object) -> str:
        source = self._text(key, value)
        if not source.startswith(_SOURCES):
            raise self._error(key, source, 'an address ("https://...") or "measured by ..."')
        return source

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value.splitlines()) != 1:
            raise self._error(key, value, "a text of one line that is not empty")
        return value

    def _texts(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise self._error(key, value, "a list of at least one name")
        return tuple(self._text(key, item) for item in value)

    def _one_of(self, words: tuple[str, ...]) -> Callable[[str, object], str]:
        def read(key: str, value: object) -> str:
            if value not in words:
                raise self._error(key, value, f"one of: {', '.join(words)}")
            return str(value)

        return read

    def _count(self, key: str, value: object) -> int:
        if type(value) is not int or value < 1:
            raise self._error(key, value, "a whole number above 0")
        return value

    def _positive(self, key: str, value: object) -> float:
        number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]  # it is one of the two
        if not math.isfinite(number) or number <= 0:
            raise self._error(key, value, "a number above 0")
        return number

    def _check_keys(
        self,
        where: str,
        table: Mapping[str, object],
        *,
        required: Iterable[str],
        optional: Iterable[str] = (),
    ) -> None:
        missing = set(required) - table.keys()
        unknown = table.keys() - set(required) - set(optional)
        place = f" in `{where}`" if where else ""
        for problem, keys in (("missing", missing), ("unknown", unknown)):
            if keys:
                raise ProfileFormatError(self._name, f"{problem} key{place}: {', '.join(sorted(keys))}")

    def _error(self, key: str, found: object, expected: str) -> ProfileFormatError:
        return ProfileFormatError(self._name, f"`{key}` is {found!r}; it must be {expected}")
