"""Device profiles: what is known about each kind of device, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from edgecl_devices.errors import ProfileFileError, UnknownProfileError

__all__ = ["BACKENDS", "PRECISIONS", "DeviceProfile", "InstallLine", "load_profile", "profile_names"]

PRECISIONS = ("fp32", "fp16", "int8")
BACKENDS = ("feeds", "binding", "flat")
_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class InstallLine:
    """How the runtime is installed on one operating system.

    Attributes:
        os: The operating system, with its release.
        python: The Python that the line is for, such as "3.10".
        line: A command for a shell.
        source: Where this was read or measured.
    """

    os: str
    python: str
    line: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """One kind of device; what is not known of it is None.

    Attributes:
        name: What `edgecl export --device` takes; equal to the name of the file.
        description: One sentence for people.
        providers: Execution providers of onnxruntime, the preferred one first.
        precision: Number type of the backbone's graph, one of `PRECISIONS`.
        backend: How task tensors reach the graph, one of `BACKENDS`; None leaves it to the runtime.
        threads: How many threads a call may use; None leaves it to onnxruntime.
        batch: How many rows a call holds.
        memory_bytes: The most that a process may use.
        latency_ms: The longest that a call of `batch` rows may take.
        install: How to install the runtime there.
        sources: Where each value above was read or measured, by its name.
    """

    name: str
    description: str
    providers: tuple[str, ...]
    precision: str
    backend: str | None = None
    threads: int | None = None
    batch: int | None = None
    memory_bytes: int | None = None
    latency_ms: float | None = None
    install: tuple[InstallLine, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def for_bundle(self) -> dict[str, object]:
        """Return what bundle.json says about the device: the values that are known, without their sources."""
        values = {name: getattr(self, name) for name in ("name", *self.sources)}
        values["providers"] = list(self.providers)
        if self.install:
            values["install"] = [
                {"os": entry.os, "python": entry.python, "line": entry.line} for entry in self.install
            ]
        return values


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package, sorted."""
    names = (entry.name for entry in (files("edgecl_devices") / "profiles").iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def load_profile(name: str) -> DeviceProfile:
    """Return the profile of this name, or the one in a file of your own if `name` ends in ".toml".

    Raises:
        UnknownProfileError: There is none of this name; the message lists those that exist.
        ProfileFileError: The file cannot be read.
        ProfileFormatError: It has a missing, unknown or wrong key.
    """
    from edgecl_devices.parsing import parse_profile

    if name.endswith(_SUFFIX):
        path = Path(name)
        try:
            return parse_profile(path.read_text(encoding="utf-8"), name=path.stem)
        except (OSError, UnicodeDecodeError) as error:
            raise ProfileFileError(name, str(error)) from error
    known = profile_names()
    if name not in known:
        raise UnknownProfileError(name, known=known)
    text = (files("edgecl_devices") / "profiles" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    return parse_profile(text, name=name)
