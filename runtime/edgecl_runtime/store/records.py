"""What a store remembers, as values: which contents run together, which are tried, which were refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from edgecl_runtime import fields as read

__all__ = ["Blob", "BundleRecord", "Committed", "PackRecord", "Selection", "Trial"]

DESCRIPTION: Final = "bundle.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX: Final = 2**63 - 1
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Blob:
    """Some bytes: their sha256 and how many they are."""

    sha256: str
    size_bytes: int

    @classmethod
    def from_json(cls, value: object, where: str) -> Blob:
        """Return the blob in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("sha256", "size_bytes"))
        return cls(
            read.digest(data["sha256"], f"{where}.sha256"), count(data["size_bytes"], f"{where}.size_bytes")
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"sha256": self.sha256, "size_bytes": self.size_bytes}


@dataclass(frozen=True, slots=True)
class Committed:
    """The highest release that was ever committed under some name."""

    release_counter: int
    sha256: str

    @classmethod
    def from_json(cls, value: object, where: str) -> Committed:
        """Return the release in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("release_counter", "sha256"))
        counter = count(data["release_counter"], f"{where}.release_counter", minimum=1)
        return cls(counter, read.digest(data["sha256"], f"{where}.sha256"))

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"release_counter": self.release_counter, "sha256": self.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRecord:
    """One release of a pack.

    Attributes:
        task: Its task.
        sha256: Of the file.
        size_bytes: Of the file.
        release_counter: Under which it was released.
        backbone: The fingerprint of the backbone it fits.
    """

    task: str
    sha256: str
    size_bytes: int
    release_counter: int
    backbone: str

    @property
    def key(self) -> str:
        """The name under which its release counter is remembered: counters grow per backbone and task."""
        return pack_key(self.task, self.backbone)

    @classmethod
    def from_json(cls, value: object, where: str) -> PackRecord:
        """Return the record in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(
            value, where, required=("task", "sha256", "size_bytes", "release_counter", "backbone")
        )
        return cls(
            task=read.text(data["task"], f"{where}.task", pattern=_NAME),
            sha256=read.digest(data["sha256"], f"{where}.sha256"),
            size_bytes=count(data["size_bytes"], f"{where}.size_bytes"),
            release_counter=count(data["release_counter"], f"{where}.release_counter", minimum=1),
            backbone=read.digest(data["backbone"], f"{where}.backbone"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "task": self.task,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "release_counter": self.release_counter,
            "backbone": self.backbone,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """One release of a bundle.

    Attributes:
        sha256: Of its bundle.json, which names the digests of all its files.
        backbone: The fingerprint.
        release_counter: Under which it was released.
        line: Bundles of one line replace each other.
        files: Its files by name, bundle.json among them.
    """

    sha256: str
    backbone: str
    release_counter: int
    line: str
    files: Mapping[str, Blob]

    @property
    def key(self) -> str:
        """The name under which its release counter is remembered."""
        return bundle_key(self.line)

    @classmethod
    def from_json(cls, value: object, where: str) -> BundleRecord:
        """Return the record in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong, or bundle.json is not among the files.
        """
        data = read.record(value, where, required=("sha256", "backbone", "release_counter", "line", "files"))
        files = mapped(data["files"], f"{where}.files", Blob.from_json)
        for name in files:
            read.text(name, f"a key of {where}.files", pattern=_FILE_NAME)
        sha256 = read.digest(data["sha256"], f"{where}.sha256")
        described = files[DESCRIPTION].sha256 if DESCRIPTION in files else "nothing"
        read.choice(described, f"{where}.files.{DESCRIPTION}", among=(sha256,))
        return cls(
            sha256=sha256,
            backbone=read.digest(data["backbone"], f"{where}.backbone"),
            release_counter=count(data["release_counter"], f"{where}.release_counter", minimum=1),
            line=read.text(data["line"], f"{where}.line", pattern=_NAME),
            files=files,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "sha256": self.sha256,
            "backbone": self.backbone,
            "release_counter": self.release_counter,
            "line": self.line,
            "files": {name: blob.to_json() for name, blob in self.files.items()},
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """A backbone and the packs that run on it, by task: they are switched together or not at all."""

    bundle: BundleRecord | None = None
    packs: Mapping[str, PackRecord] = field(default_factory=lambda: _NOTHING)

    def with_pack(self, pack: PackRecord) -> Selection:
        """Return the selection in which a task has this pack."""
        return replace(self, packs={**self.packs, pack.task: pack})

    def without(self, hashes: Mapping[str, object] | set[str]) -> Selection:
        """Return the selection less the packs of these hashes."""
        return replace(
            self, packs={task: pack for task, pack in self.packs.items() if pack.sha256 not in hashes}
        )

    def blobs(self) -> dict[str, int]:
        """Return the size of each content that it needs, by sha256."""
        files = self.bundle.files.values() if self.bundle else ()
        return {blob.sha256: blob.size_bytes for blob in (*files, *self.packs.values())}

    def releases(self) -> tuple[PackRecord | BundleRecord, ...]:
        """Return the bundle and the packs."""
        return ((self.bundle,) if self.bundle else ()) + tuple(self.packs.values())

    @classmethod
    def from_json(cls, value: object, where: str) -> Selection:
        """Return the selection in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("bundle", "packs"))
        bundle = data["bundle"]
        return cls(
            None if bundle is None else BundleRecord.from_json(bundle, f"{where}.bundle"),
            mapped(data["packs"], f"{where}.packs", PackRecord.from_json),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "bundle": None if self.bundle is None else self.bundle.to_json(),
            "packs": {task: pack.to_json() for task, pack in self.packs.items()},
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """A selection that is not trusted yet, and how often it was tried."""

    selection: Selection
    tries: int

    @classmethod
    def from_json(cls, value: object, where: str) -> Trial:
        """Return the trial in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("selection", "tries"))
        tries = count(data["tries"], f"{where}.tries", minimum=1)
        return cls(Selection.from_json(data["selection"], f"{where}.selection"), tries)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"selection": self.selection.to_json(), "tries": self.tries}


def pack_key(task: str, backbone: str) -> str:
    """Return the name under which the release counter of a task on a backbone is remembered."""
    return f"pack/{backbone}/{task}"


def bundle_key(line: str) -> str:
    """Return the name under which the release counter of a line of bundles is remembered."""
    return f"bundle/{line}"


def count(value: object, where: str, *, minimum: int = 0) -> int:
    """Return an integer from `minimum` on.

    Raises:
        FieldError: it is something else.
    """
    return read.integer(value, where, minimum=minimum, maximum=_MAX)


def mapped(value: object, where: str, parse: Callable[[object, str], _Value]) -> dict[str, _Value]:
    """Return an object with each of its values parsed.

    Raises:
        FieldError: it is not an object, or a value is wrong.
    """
    return {key: parse(entry, f"{where}.{key}") for key, entry in read.mapping(value, where).items()}
