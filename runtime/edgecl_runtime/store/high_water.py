"""The newest signed metadata this device has ever accepted: what makes an old repository look old."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError, RollbackError, StateLostError, StoreError
from edgecl_runtime.store.checked import FORMAT_VERSION, read_copies, write_checked
from edgecl_runtime.store.disk_errors import reports_disk_errors
from edgecl_runtime.store.files import Files
from edgecl_runtime.store.records import count, mapped

__all__ = ["HighWater", "HighWaterRecord"]

_ROOT: Final = "root"
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class HighWater:
    """What accepted metadata said.

    Attributes:
        versions: The highest version of each role.
        floor: The latest signed time, in UTC; no clock is believed that is before it.
        keys: What identifies the keys of the roles that change often. When root replaces them, the versions of the old
            keys bind no longer: else a thief who signed a huge version would have ended all updates.
    """

    versions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    floor: datetime | None = None
    keys: str = ""

    def raised_to(self, other: HighWater) -> HighWater:
        """Return the record after `other` was accepted: nothing in it is lower, unless other keys took over."""
        root = max(self.versions.get(_ROOT, 0), other.versions.get(_ROOT, 0))
        if self.keys != other.keys:
            return HighWater({**other.versions, _ROOT: root}, other.floor, other.keys)
        versions = dict(self.versions)
        for role, version in other.versions.items():
            versions[role] = max(version, versions.get(role, 0))
        floors = [floor for floor in (self.floor, other.floor) if floor is not None]
        return HighWater(versions, max(floors, default=None), self.keys)

    @classmethod
    def from_json(cls, value: object, where: str) -> HighWater:
        """Return the record in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("versions", "floor", "keys"))
        floor = data["floor"]
        return cls(
            mapped(data["versions"], f"{where}.versions", count),
            None if floor is None else _parse_time(floor, f"{where}.floor"),
            "" if data["keys"] == "" else read.text(data["keys"], f"{where}.keys"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        floor = None if self.floor is None else self.floor.astimezone(timezone.utc).strftime(_TIME_FORMAT)
        return {"versions": dict(self.versions), "floor": floor, "keys": self.keys}


class HighWaterRecord:
    """The record on the disk: it only ever rises, and of its two copies each may only raise what the other says."""

    def __init__(self, files: Files, path: Path, *, metadata: Path) -> None:
        self._files = files
        self._path = path
        self._metadata = metadata

    @reports_disk_errors
    def load(self) -> HighWater:
        """Return what was accepted so far.

        Raises:
            StateLostError: both copies are damaged or gone.
            StoreError: the disk cannot be read, or a newer edgecl-runtime wrote the record.
        """
        copies = read_copies(self._files, self._path)
        if not copies:
            raise StateLostError(
                str(self._path), found="no undamaged copy", expected="what was accepted so far"
            )
        newest = self._parse(copies[0])
        older = self._parse(copies[-1])
        return newest.raised_to(older) if older.keys == newest.keys else newest

    @reports_disk_errors
    def raise_to(self, accepted: HighWater) -> HighWater:
        """Make what was accepted outlast a power cut: the metadata files first, then the record.

        Raises:
            StateLostError: both copies are damaged or gone.
            RollbackError: other keys sign, but root is not newer than the one that named the last keys.
            StoreError: the disk cannot be read or written.
        """
        current = self.load()
        if current.keys and _takes_over_wrongly(current, accepted):
            raise RollbackError(
                str(self._path), found="other keys without a newer root", expected="the keys seen last"
            )
        raised = current.raised_to(accepted)
        if raised != current:
            _sync_tree(self._files, self._metadata)
            self.write(raised)
        return raised

    def write(self, record: HighWater) -> None:
        """Replace the record, whatever it says; OSError if that fails."""
        write_checked(self._files, self._path, {"format_version": FORMAT_VERSION, **record.to_json()})

    def _parse(self, body: dict[str, Any]) -> HighWater:
        where = str(self._path)
        try:
            data = dict(body)
            version = data.pop("format_version", None)
            read.integer(version, f"{where}: format_version", minimum=1, maximum=FORMAT_VERSION)
            return HighWater.from_json(data, where)
        except FieldError as error:
            raise StoreError(error.where, found=error.found, expected=error.expected) from error


def _takes_over_wrongly(current: HighWater, accepted: HighWater) -> bool:
    newer_root = accepted.versions.get(_ROOT, 0) > current.versions.get(_ROOT, 0)
    return accepted.keys != current.keys and not newer_root


def _sync_tree(files: Files, folder: Path) -> None:
    for name, entry in files.entries(folder).items():
        if entry.is_folder:
            _sync_tree(files, folder / name)
        else:
            files.sync(folder / name)
    files.sync(folder)


def _parse_time(value: object, where: str) -> datetime:
    text = read.text(value, where, pattern=_TIME)
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise FieldError(where, found=text, expected="a date and time in UTC") from error
