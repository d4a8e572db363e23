"""Whether a release is for this device, and whether a file is what its signed record says."""

from __future__ import annotations

from edgecl_runtime.bundle import Bundle
from edgecl_runtime.errors import IncompatibleError, TamperError
from edgecl_runtime.manifest import FORMAT_VERSION, PackManifest
from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.release import BundleRelease, PackRelease
from edgecl_runtime.versions import is_newer_than_this, this_version

__all__ = ["check_gate", "check_same", "check_same_bundle"]


def check_gate(release: PackRelease | BundleRelease, device: Device, *, backbone: str | None) -> None:
    """Do nothing if this device can use a release, as far as its signed record tells.

    Args:
        release: The record.
        device: Whose class it has to be for, if it names one.
        backbone: The fingerprint it has to be for, or None for any.

    Raises:
        IncompatibleError: the first thing that does not fit.
    """
    if backbone is not None and release.backbone != backbone:
        raise _misfit(release, "backbone", release.backbone[:12], backbone[:12])
    if is_newer_than_this(release.min_runtime):
        raise _misfit(release, "edgecl-runtime", f"{release.min_runtime} or newer", this_version())
    if isinstance(release, BundleRelease):
        return
    if release.format > FORMAT_VERSION:
        raise _misfit(release, "format", str(release.format), f"{FORMAT_VERSION} or older")
    if release.device_class not in (None, device.device_class):
        raise _misfit(release, "device class", str(release.device_class), device.device_class or "none")


def check_same(release: PackRelease, manifest: PackManifest) -> None:
    """Do nothing if a pack says of itself what its signed record says of it.

    Raises:
        TamperError: the first thing that differs.
    """
    _compare(
        release.path,
        ("task", manifest.task, release.task),
        ("version", manifest.version, release.version),
        ("backbone", manifest.fingerprint, release.backbone),
        ("format", manifest.format_version, release.format),
        ("min_runtime", manifest.min_runtime, release.min_runtime),
        ("device_class", manifest.device_class, release.device_class),
    )


def check_same_bundle(release: BundleRelease, bundle: Bundle) -> None:
    """Do nothing if a bundle says of itself what its signed record says of it.

    Raises:
        TamperError: the first thing that differs.
    """
    said = {name: (entry.sha256, entry.size_bytes) for name, entry in bundle.files.items()}
    signed = {file.name: (file.sha256, file.length) for file in release.files}
    _compare(
        release.path,
        ("backbone", bundle.fingerprint, release.backbone),
        ("min_runtime", bundle.min_runtime, release.min_runtime),
        ("files", said, signed),
    )


def _compare(path: str, *comparisons: tuple[str, object, object]) -> None:
    for what, found, expected in comparisons:
        if found != expected:
            raise TamperError(f"{path}: {what}", found=f"{found} in the file", expected=str(expected))


def _misfit(release: PackRelease | BundleRelease, what: str, found: str, expected: str) -> IncompatibleError:
    return IncompatibleError(f"{release.path}: {what}", found=found, expected=expected)
