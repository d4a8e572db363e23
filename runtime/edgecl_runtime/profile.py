"""What a bundle says about the device it was exported for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from edgecl_runtime import fields as read
from edgecl_runtime.engine import BACKENDS, Backend

__all__ = ["InstallLine", "Profile"]

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REQUIRED = ("name", "providers", "precision")
_OPTIONAL = ("backend", "threads", "batch", "memory_bytes", "latency_ms", "install")
_MAX_COUNT = 65_536


@dataclass(frozen=True, slots=True)
class InstallLine:
    """How the runtime is installed on one operating system: a command for a shell, and the Python it is for."""

    os: str
    python: str
    line: str

    @classmethod
    def from_json(cls, value: object, where: str) -> InstallLine:
        """Return the entry in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or of another type.
        """
        data = read.record(value, where, required=("os", "python", "line"))
        return cls(**{key: read.text(data[key], f"{where}.{key}") for key in ("os", "python", "line")})


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of device; what is not known of it is None.

    Attributes:
        name: Of the device profile.
        providers: onnxruntime's execution providers, the preferred one first.
        precision: Number type of the graph.
        backend: How tasks are switched; None leaves it to the providers.
        threads: How many threads a call may use; None leaves it to onnxruntime.
        batch: How many rows a call holds.
        memory_bytes: The most that a process may use.
        latency_ms: The longest that a call of `batch` rows may take.
        install: How to install the runtime there.
    """

    name: str = "generic-cpu"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    precision: str = "fp32"
    backend: Backend | None = None
    threads: int | None = None
    batch: int | None = None
    memory_bytes: int | None = None
    latency_ms: float | None = None
    install: tuple[InstallLine, ...] = ()

    @classmethod
    def from_json(cls, value: object, where: str = "profile") -> Profile:
        """Return the profile in a parsed JSON object.

        Raises:
            FieldError: a key is missing, unknown or of another type.
        """
        data = read.record(value, where, required=_REQUIRED, optional=_OPTIONAL)
        providers = read.items(data["providers"], f"{where}.providers", minimum=1, maximum=16)
        install = read.items(data.get("install", ()), f"{where}.install", minimum=0, maximum=16)
        counts = {"threads": _MAX_COUNT, "batch": _MAX_COUNT, "memory_bytes": 2**53}
        return cls(
            name=read.text(data["name"], f"{where}.name"),
            providers=tuple(read.text(name, f"{where}.providers", pattern=_WORD) for name in providers),
            precision=read.text(data["precision"], f"{where}.precision", pattern=_WORD),
            backend=cast("Backend", read.choice(data["backend"], f"{where}.backend", among=BACKENDS))
            if "backend" in data
            else None,
            latency_ms=read.number(data["latency_ms"], f"{where}.latency_ms", positive=True)
            if "latency_ms" in data
            else None,
            install=tuple(InstallLine.from_json(entry, f"{where}.install") for entry in install),
            **{
                key: read.integer(data[key], f"{where}.{key}", minimum=1, maximum=maximum)
                for key, maximum in counts.items()
                if key in data
            },
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads; what is not known is left out."""
        known = {key: getattr(self, key) for key in _OPTIONAL[:-1] if getattr(self, key) is not None}
        if self.install:
            known["install"] = [
                {"os": entry.os, "python": entry.python, "line": entry.line} for entry in self.install
            ]
        return {"name": self.name, "providers": list(self.providers), "precision": self.precision, **known}
