"""The signed record of who gets some content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError
from edgecl_runtime.ota import custom as own
from edgecl_runtime.ota.paths import rollout_path

__all__ = ["EMPTY_SHA256", "Rollout"]

EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Who gets some content; it narrows or withdraws what another role has released, and adds nothing.

    Attributes:
        sha256: Of the content.
        percent: Share of the devices, 0 to 100 in steps of 0.01; signed as an integer of hundredths, because
            canonical JSON knows no fractions.
        salt: Chooses which devices these are.
        not_before: Nobody gets it earlier; None: at once.
        deadline: Everybody gets it from then on; None: never by time alone.
        withdrawn: Nobody installs it, and devices that have it leave it.
        severity: "unsafe" content is deleted where it was withdrawn, "normal" content may come back.
    """

    KIND: ClassVar[str] = "rollout"

    sha256: str
    percent: float
    salt: str
    not_before: datetime | None = None
    deadline: datetime | None = None
    withdrawn: bool = False
    severity: str = "normal"

    @property
    def path(self) -> str:
        """The target path of this record."""
        return rollout_path(self.sha256)

    @classmethod
    def from_custom(cls, path: str, *, length: int, sha256: str, custom: object) -> Rollout:
        """Return the rollout that a signed, empty target describes; its content is named by the path.

        Raises:
            ReleaseError: a field is missing, unknown or wrong, or the target is not empty.
        """
        return own.or_release_error(path, lambda: cls._read(path, length, sha256, custom))

    @classmethod
    def _read(cls, path: str, length: int, sha256: str, custom: object) -> Rollout:
        if length != 0 or sha256 != EMPTY_SHA256:
            raise FieldError("length", found=f"{length} bytes", expected="an empty file")
        required = ("basis_points", "salt", "withdrawn", "severity")
        data = own.from_custom(custom, cls.KIND, required=required, may_have=("not_before", "deadline"))
        rollout = cls(
            sha256=read.digest(path.rpartition("/")[2], "path"),
            percent=read.integer(data["basis_points"], "basis_points", minimum=0, maximum=10_000) / 100,
            salt=read.text(data["salt"], "salt"),
            not_before=own.if_there(data, "not_before", own.time),
            deadline=own.if_there(data, "deadline", own.time),
            withdrawn=own.truth(data["withdrawn"], "withdrawn"),
            severity=read.choice(data["severity"], "severity", among=("normal", "unsafe")),
        )
        own.check_path(path, rollout.path)
        return rollout

    def as_custom(self) -> dict[str, Any]:
        """Return the `custom` value that `from_custom` reads."""
        times = {"not_before": self.not_before, "deadline": self.deadline}
        return own.to_custom(
            self.KIND,
            basis_points=round(self.percent * 100),
            salt=self.salt,
            withdrawn=self.withdrawn,
            severity=self.severity,
            **{name: own.shown_time(when) for name, when in times.items() if when is not None},
        )
