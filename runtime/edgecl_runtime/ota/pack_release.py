"""The signed record of a pack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from edgecl_runtime import fields as read
from edgecl_runtime.ota import custom as own
from edgecl_runtime.ota.paths import pack_path
from edgecl_runtime.versions import RELEASE

__all__ = ["PackRelease"]

_PACK_FIELDS: Final = (
    "task",
    "version",
    "release_counter",
    "backbone",
    "format",
    "min_runtime",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRelease:
    """One pack, as it was released.

    Attributes:
        path: Its target path.
        length: Its size in bytes.
        sha256: Of the whole file.
        task: As in the manifest, like `version`, `backbone` (the fingerprint), `format`, `min_runtime` and
            `device_class` (None: for every device).
        release_counter: 1 or more; grows with each release of the task on this backbone, also when older
            content is released again.
    """

    KIND: ClassVar[str] = "pack"

    path: str
    length: int
    sha256: str
    task: str
    version: int
    release_counter: int
    backbone: str
    format: int
    min_runtime: str
    device_class: str | None

    @classmethod
    def from_custom(cls, path: str, *, length: int, sha256: str, custom: object) -> PackRelease:
        """Return the release that a signed target describes.

        Raises:
            ReleaseError: a field is missing, unknown or wrong, or the path is another pack's.
        """
        return own.or_release_error(path, lambda: cls._read(path, length, sha256, custom))

    @classmethod
    def _read(cls, path: str, length: int, sha256: str, custom: object) -> PackRelease:
        data = own.from_custom(custom, cls.KIND, required=_PACK_FIELDS, may_have=("device_class",))
        release = cls(
            path=path,
            length=length,
            sha256=read.digest(sha256, "sha256"),
            task=read.text(data["task"], "task", pattern=own.NAME),
            version=own.count(data["version"], "version"),
            release_counter=own.count(data["release_counter"], "release_counter"),
            backbone=read.digest(data["backbone"], "backbone"),
            format=own.count(data["format"], "format"),
            min_runtime=read.text(data["min_runtime"], "min_runtime", pattern=RELEASE),
            device_class=own.if_there(data, "device_class", read.text),
        )
        own.check_path(path, pack_path(release.backbone, release.task, release.version))
        return release

    def as_custom(self) -> dict[str, Any]:
        """Return the `custom` value that `from_custom` reads."""
        device_class = {} if self.device_class is None else {"device_class": self.device_class}
        return own.to_custom(
            self.KIND,
            task=self.task,
            version=self.version,
            release_counter=self.release_counter,
            backbone=self.backbone,
            format=self.format,
            min_runtime=self.min_runtime,
            **device_class,
        )
