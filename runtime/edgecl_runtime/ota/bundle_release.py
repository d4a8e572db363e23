"""The signed record of a bundle, which stands for all its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError
from edgecl_runtime.ota import custom as own
from edgecl_runtime.ota.paths import bundle_file_path, bundle_path
from edgecl_runtime.versions import RELEASE

__all__ = ["BundleFile", "BundleRelease", "Delta"]


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle, which is a target of the same role."""

    name: str
    path: str
    sha256: str
    length: int

    @classmethod
    def from_json(cls, value: object, where: str) -> BundleFile:
        """Return the file in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("name", "path", "sha256", "length"))
        return cls(
            name=read.text(data["name"], f"{where}.name", pattern=own.NAME),
            path=read.text(data["path"], f"{where}.path"),
            sha256=read.digest(data["sha256"], f"{where}.sha256"),
            length=own.size(data["length"], f"{where}.length"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"name": self.name, "path": self.path, "sha256": self.sha256, "length": self.length}


@dataclass(frozen=True, slots=True)
class Delta:
    """A smaller target from which the file `name` is made, where the content `from_sha256` is at hand."""

    name: str
    from_sha256: str
    path: str
    length: int
    sha256: str

    @classmethod
    def from_json(cls, value: object, where: str) -> Delta:
        """Return the delta in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or wrong.
        """
        data = read.record(value, where, required=("name", "from_sha256", "path", "length", "sha256"))
        return cls(
            name=read.text(data["name"], f"{where}.name", pattern=own.NAME),
            from_sha256=read.digest(data["from_sha256"], f"{where}.from_sha256"),
            path=read.text(data["path"], f"{where}.path"),
            length=own.size(data["length"], f"{where}.length"),
            sha256=read.digest(data["sha256"], f"{where}.sha256"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {name: getattr(self, name) for name in ("name", "from_sha256", "path", "length", "sha256")}


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRelease:
    """One backbone, as it was released. `path`, `length` and `sha256` are those of its bundle.json.

    Attributes:
        line: Bundles of one line replace each other; a device follows one line.
        release_counter: 1 or more; grows with each release of the line.
        backbone: The fingerprint.
        min_runtime: The oldest edgecl-runtime that runs it, "major.minor.patch".
        files: The other files of the bundle.
        delta: Shorter ways to some of them.
    """

    KIND: ClassVar[str] = "bundle"

    path: str
    length: int
    sha256: str
    line: str
    release_counter: int
    backbone: str
    min_runtime: str
    files: tuple[BundleFile, ...]
    delta: tuple[Delta, ...] = ()

    @classmethod
    def from_custom(cls, path: str, *, length: int, sha256: str, custom: object) -> BundleRelease:
        """Return the release that a signed target describes.

        Raises:
            ReleaseError: a field is missing, unknown or wrong, or a path is not the bundle's.
        """
        return own.or_release_error(path, lambda: cls._read(path, length, sha256, custom))

    @classmethod
    def _read(cls, path: str, length: int, sha256: str, custom: object) -> BundleRelease:
        required = ("line", "release_counter", "backbone", "min_runtime", "files")
        data = own.from_custom(custom, cls.KIND, required=required, may_have=("delta",))
        release = cls(
            path=path,
            length=length,
            sha256=read.digest(sha256, "sha256"),
            line=read.text(data["line"], "line", pattern=own.NAME),
            release_counter=own.count(data["release_counter"], "release_counter"),
            backbone=read.digest(data["backbone"], "backbone"),
            min_runtime=read.text(data["min_runtime"], "min_runtime", pattern=RELEASE),
            files=own.each(data["files"], "files", BundleFile.from_json, minimum=1),
            delta=own.each(data.get("delta", []), "delta", Delta.from_json, minimum=0),
        )
        own.check_path(path, bundle_path(release.backbone, release.release_counter))
        _check_files(release)
        return release

    def as_custom(self) -> dict[str, Any]:
        """Return the `custom` value that `from_custom` reads."""
        delta = {"delta": [entry.to_json() for entry in self.delta]} if self.delta else {}
        return own.to_custom(
            self.KIND,
            line=self.line,
            release_counter=self.release_counter,
            backbone=self.backbone,
            min_runtime=self.min_runtime,
            files=[entry.to_json() for entry in self.files],
            **delta,
        )


def _check_files(release: BundleRelease) -> None:
    names = [entry.name for entry in release.files]
    if len(set(names)) != len(names) or "bundle.json" in names:
        raise FieldError("files", found="a name twice", expected="each name once, and bundle.json not at all")
    for entry in release.files:
        own.check_path(entry.path, bundle_file_path(release.backbone, entry.sha256, entry.name))
    for delta in release.delta:
        read.choice(delta.name, "delta", among=names)
