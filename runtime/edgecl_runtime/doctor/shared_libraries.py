"""The shared libraries on this machine: those that the loader finds, and those beside its path."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from edgecl_runtime.doctor.elf import needed_libraries
from edgecl_runtime.doctor.facts import ProviderLibrary

__all__ = ["listed_libraries", "provider_libraries", "unlisted_libraries"]

_PROVIDERS = {
    "libonnxruntime_providers_cuda.so": "CUDAExecutionProvider",
    "libonnxruntime_providers_tensorrt.so": "TensorrtExecutionProvider",
}
_LDCONFIG = ("/sbin/ldconfig", "/usr/sbin/ldconfig")
_DEFAULT_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_WHEEL_FOLDERS = ("nvidia/*/lib", "tensorrt_libs")
_SYSTEM_FOLDERS = ("usr/local/cuda*/lib64", "usr/local/cuda*/targets/*/lib")


def provider_libraries(packages: Path) -> tuple[ProviderLibrary, ...]:
    """Return the GPU providers of the onnxruntime in a folder of packages, with what they are linked to."""
    found = []
    for name, provider in _PROVIDERS.items():
        with suppress(OSError, ValueError):  # not installed, or no library
            needs = needed_libraries(packages / "onnxruntime" / "capi" / name)
            found.append(ProviderLibrary(provider, needs))
    return tuple(found)


def listed_libraries() -> frozenset[str]:
    """Return the names of the libraries that the loader finds: its cache and LD_LIBRARY_PATH."""
    folders = [Path(entry) for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry]
    return frozenset(_cached()) | frozenset(name for name, _ in _libraries(folders))


def unlisted_libraries(packages: Path, *, root: Path) -> Mapping[str, str]:
    """Return the folder of each library of NVIDIA that is installed where the loader does not look, by name."""
    folders = [folder for pattern in _WHEEL_FOLDERS for folder in sorted(packages.glob(pattern))]
    folders += [folder for pattern in _SYSTEM_FOLDERS for folder in sorted(root.glob(pattern))]
    listed = listed_libraries()
    return {name: str(folder) for name, folder in _libraries(reversed(folders)) if name not in listed}


def _cached() -> Iterator[str]:
    """Yield what the loader's cache holds; without an ldconfig, what its default folders hold."""
    for program in _LDCONFIG:
        with suppress(OSError):
            done = subprocess.run([program, "-p"], capture_output=True, text=True, check=False)
            yield from re.findall(r"^\s+(\S+) \(.*=>", done.stdout, flags=re.MULTILINE)
            return
    yield from (name for name, _ in _libraries(map(Path, _DEFAULT_FOLDERS)))


def _libraries(folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        with suppress(OSError):
            yield from ((entry.name, folder) for entry in folder.iterdir() if ".so" in entry.name)
