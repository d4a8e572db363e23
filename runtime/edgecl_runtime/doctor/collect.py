"""The one module of the doctor that looks at the machine."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import edgecl_runtime
from edgecl_runtime.bundle import BUNDLE_FILE, read_bundle
from edgecl_runtime.doctor.drive import read_folder
from edgecl_runtime.doctor.facts import BundleFacts, Facts, StoreFacts, Version, Wheel
from edgecl_runtime.doctor.shared_libraries import listed_libraries, provider_libraries, unlisted_libraries
from edgecl_runtime.engine.onnxruntime import import_onnxruntime
from edgecl_runtime.errors import BundleError, InputError, MissingExtraError, UpdateError
from edgecl_runtime.store import DiskFiles, HighWaterRecord, StoreReader
from edgecl_runtime.store.layout import Layout

__all__ = ["collect"]

_DISTRIBUTION = "edgecl-runtime"
_ONNXRUNTIME = "onnxruntime"
_NAMES = {"edgecl-runtime", "numpy", "pillow", "safetensors", "tokenizers", "tuf"}


def collect(path: Path | None = None, *, root: Path = Path("/")) -> Facts:
    """Return the facts of this machine; of a bundle or store, too, if its folder is given.

    A bundle's backbone is run a few times, in a process of its own.

    Args:
        path: The folder of a bundle or of a device store.
        root: Where the files of the operating system are read.

    Raises:
        InputError: `path` is no folder, or neither a bundle nor a store.
    """
    providers, error = _onnxruntime()
    store, bundle = (None, None) if path is None else _store_and_bundle(path)
    packages = Path(sysconfig.get_path("purelib"))
    return Facts(
        python=sys.version_info[:3],
        executable=sys.executable,
        machine=platform.machine(),
        glibc=_glibc(),
        system=_system(root),
        l4t=_l4t(root),
        wheels=_wheels(),
        requirements=_requirements(),
        providers=providers,
        onnxruntime_error=error,
        provider_libraries=provider_libraries(packages),
        libraries=listed_libraries(),
        unlisted=unlisted_libraries(packages, root=root),
        now=datetime.now(timezone.utc),
        built=_built(),
        bundle=bundle,
        store=store,
        folder=None if path is None else read_folder(path, root=root),
    )


def _onnxruntime() -> tuple[tuple[str, ...], str]:
    """Return what onnxruntime was built with, or why it cannot be imported."""
    try:
        library = import_onnxruntime()
        return tuple(library.get_available_providers()), ""
    except MissingExtraError as error:
        return (), str(error.__cause__)
    except AttributeError as error:  # what is left of a package after one of two that shared it was removed
        return (), str(error)


def _store_and_bundle(path: Path) -> tuple[StoreFacts | None, BundleFacts | None]:
    """Return what lies in a folder: a bundle alone, or a store and the bundle that it runs, if any."""
    if (path / BUNDLE_FILE).is_file():
        return None, _bundle(path)
    if not Layout(path).contents.is_dir():
        raise InputError(
            f"{path}: found neither bundle.json nor a device store. Pass the folder of one of them"
        )
    try:
        reader = StoreReader(path)
        active = reader.state().active
        floor = (
            HighWaterRecord(DiskFiles(), Layout(path).high_water, metadata=Layout(path).metadata).load().floor
        )
    except UpdateError as error:
        return StoreFacts(path, error=str(error)), None
    store = StoreFacts(path, clock_floor=floor, active_bytes=sum(active.blobs().values()))
    return store, None if active.bundle is None else _bundle(reader.view_path(active.bundle))


def _bundle(path: Path) -> BundleFacts:
    from edgecl_runtime.doctor.trial import try_bundle

    try:
        bundle = read_bundle(path)
    except BundleError as error:
        return BundleFacts(path, error=str(error))
    trial = try_bundle(path, batch=bundle.profile.batch or 1)
    return BundleFacts(path, modality=bundle.modality, profile=bundle.profile, trial=trial)


def _wheels() -> tuple[Wheel, ...]:
    """Return the installed distributions that matter, sorted by name; of two of one name the first is in use."""
    found: dict[str, Wheel] = {}
    for distribution in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name in _NAMES or name.startswith(_ONNXRUNTIME):
            found.setdefault(name, _wheel(name, distribution))
    return tuple(found[name] for name in sorted(found))


def _wheel(name: str, distribution: metadata.Distribution) -> Wheel:
    said = distribution.read_text("WHEEL") or ""
    tags = tuple(
        line.partition(":")[2].strip()
        for line in said.splitlines()
        if line.startswith("Tag:") and line.count("-") == 2
    )
    is_onnxruntime = name.startswith(_ONNXRUNTIME) and any(
        str(file) == f"{_ONNXRUNTIME}/__init__.py" for file in distribution.files or ()
    )
    return Wheel(name, distribution.version, tags, is_onnxruntime)


def _requirements() -> Mapping[str, tuple[str, ...]]:
    """Return what edgecl-runtime requires, by extra; nothing where it runs from a checkout."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        wanted, _, condition = line.partition(";")
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)""", condition)
        found.setdefault(extra[1] if extra else "", []).append(wanted.strip())
    return {extra: tuple(wanted) for extra, wanted in found.items()}


def _glibc() -> Version | None:
    name, version = platform.libc_ver()
    return tuple(map(int, version.split("."))) if name == "glibc" and version else None


def _system(root: Path) -> str:
    text = _text(root / "etc/os-release")
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, flags=re.MULTILINE)
    return found[1] if found else platform.platform()


def _l4t(root: Path) -> Version | None:
    """Return the version of Jetson Linux, as in "# R36 (release), REVISION: 4.3, ..."."""
    found = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", _text(root / "etc/nv_tegra_release"))
    return (int(found[1]), *map(int, found[2].strip(".").split("."))) if found else None


def _built() -> datetime:
    """Return the youngest date that this device cannot be before, whatever its clock says."""
    installed = Path(edgecl_runtime.__file__).stat().st_mtime
    dates = [datetime.fromtimestamp(installed, timezone.utc)]
    stamp = " ".join(platform.python_build()[1].split())
    with suppress(ValueError):  # a Python that was built without a date
        dates.append(datetime.strptime(stamp, "%b %d %Y %H:%M:%S").replace(tzinfo=timezone.utc))
    return max(dates)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
