"""What the doctor knows of a machine: plain values, so that every finding can be tried on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from edgecl_runtime.profile import Profile

__all__ = [
    "BundleFacts",
    "Facts",
    "FolderFacts",
    "ProviderLibrary",
    "StoreFacts",
    "Trial",
    "Version",
    "Wheel",
]

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wheel:
    """An installed distribution.

    Attributes:
        name: As pip shows it, lower case, words joined by "-".
        version: Its version.
        tags: What it was built for, such as "cp311-cp311-manylinux_2_28_x86_64".
        is_onnxruntime: Whether the package `onnxruntime` is among its files.
    """

    name: str
    version: str
    tags: tuple[str, ...] = ()
    is_onnxruntime: bool = False


@dataclass(frozen=True, slots=True)
class ProviderLibrary:
    """The library of one of onnxruntime's providers, and the names of the libraries that it is linked to."""

    provider: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What happened when the backbone of the bundle ran once, in a process of its own.

    Attributes:
        error: Why it did not run, or "".
        latency_ms: Median of the calls.
        peak_bytes: The most memory the process held; None where the system does not say.
        batch: Rows in a call.
    """

    error: str = ""
    latency_ms: float = 0.0
    peak_bytes: int | None = None
    batch: int = 1


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """A bundle: what it asks for, or why it cannot be read."""

    path: Path
    error: str = ""
    modality: str = "image"
    profile: Profile = field(default_factory=Profile)
    trial: Trial | None = None


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A device store: the time its signed metadata proves has passed, and the bytes of what it runs."""

    path: Path
    error: str = ""
    clock_floor: datetime | None = None
    active_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """Where bundle or store lie: the file system, where it is mounted, and the room on it."""

    path: Path
    kind: str
    mounted_at: str
    is_read_only: bool
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A machine, as far as the runtime is concerned.

    Attributes:
        python: Version of the interpreter.
        executable: Its path, for the lines that mend.
        machine: The processor, such as "aarch64".
        glibc: Version of the C library; None for another library, such as musl.
        system: Name of the operating system, for people.
        l4t: Version of Jetson Linux; None on anything else.
        wheels: The installed distributions that matter.
        requirements: What edgecl-runtime requires, by extra; "" is the base.
        providers: What the installed onnxruntime was built with.
        onnxruntime_error: Why onnxruntime cannot be imported, or "".
        provider_libraries: Libraries of its providers.
        libraries: Names of the shared libraries that the loader finds.
        unlisted: Folder of shared libraries that are there, but where the loader does not look, by name.
        now: What the clock says.
        built: The youngest of the dates at which the interpreter was built and this package was installed.
    """

    python: Version
    executable: str
    machine: str
    glibc: Version | None
    system: str
    l4t: Version | None
    wheels: tuple[Wheel, ...]
    requirements: Mapping[str, tuple[str, ...]]
    providers: tuple[str, ...]
    onnxruntime_error: str
    provider_libraries: tuple[ProviderLibrary, ...]
    libraries: frozenset[str]
    unlisted: Mapping[str, str]
    now: datetime
    built: datetime
    bundle: BundleFacts | None = None
    store: StoreFacts | None = None
    folder: FolderFacts | None = None

    @property
    def wanted_providers(self) -> tuple[str, ...]:
        """What the bundle asks for; nothing if there is no bundle that can be read."""
        return () if self.bundle is None or self.bundle.error else self.bundle.profile.providers

    def wheel(self, name: str) -> Wheel | None:
        """Return an installed distribution, None if it is not installed."""
        return next((wheel for wheel in self.wheels if wheel.name == name), None)
