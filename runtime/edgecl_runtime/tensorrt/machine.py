"""What an engine is built on: the GPU, its driver and TensorRT, asked of their own libraries."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecl_runtime.engine.onnxruntime import import_onnxruntime
from edgecl_runtime.errors import TensorRtError

__all__ = ["Machine", "find_machine", "linked_major"]

Load = Callable[[str], Any]

PROVIDER_LIBRARY: Final = "libonnxruntime_providers_tensorrt.so"
_DRIVER_LIBRARY = "libcuda.so.1"
_NEEDED = re.compile(rb"libnvinfer\.so\.(\d+)\0")
_NAME_BYTES = 256
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True, slots=True)
class Machine:
    """A GPU and what drives it.

    Attributes:
        gpu: Name and compute capability, such as "Orin (8.7)".
        driver: Version of the CUDA driver.
        tensorrt: Version of the TensorRT that onnxruntime loads.
    """

    gpu: str
    driver: str
    tensorrt: str


def find_machine(*, load: Load = ctypes.CDLL, provider_library: Path | None = None) -> Machine:
    """Return the GPU, driver and TensorRT of this machine.

    Args:
        load: Opens a shared library by its name.
        provider_library: Of onnxruntime; without it that of the installed one.

    Raises:
        TensorRtError: onnxruntime has no TensorRT provider, its TensorRT is not installed or of another major
            version, or there is no CUDA driver or GPU.
    """
    library = provider_library or Path(import_onnxruntime().__file__).parent / "capi" / PROVIDER_LIBRARY
    tensorrt = _tensorrt_version(linked_major(library), load)
    gpu, driver = _gpu(load)
    return Machine(gpu, driver, tensorrt)


def linked_major(provider_library: Path) -> int:
    """Return the major version of TensorRT that onnxruntime's provider was linked with.

    Raises:
        TensorRtError: there is no such provider here.
    """
    try:
        found = _NEEDED.search(provider_library.read_bytes())
    except OSError:
        found = None
    if found is None:
        raise TensorRtError(
            str(provider_library),
            found="no TensorRT provider",
            expected="that of onnxruntime-gpu",
            fix='Install it with: pip uninstall onnxruntime && pip install "edgecl-runtime[gpu]"',
        )
    return int(found[1])


def _tensorrt_version(major: int, load: Load) -> str:
    name = f"libnvinfer.so.{major}"
    try:
        number = int(load(name).getInferLibVersion())
    except (OSError, AttributeError) as error:
        raise TensorRtError(
            name,
            found=f"no usable library ({error})",
            expected=f"TensorRT {major}, which this onnxruntime was linked with",
            fix=f'On a workstation: pip install "tensorrt-cu13>={major},<{major + 1}" (a newer major version does not '
            "load); on a Jetson it comes with JetPack",
        ) from error
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _gpu(load: Load) -> tuple[str, str]:
    """Return the name of the first GPU with its compute capability, and the version of the driver."""
    try:
        cuda = load(_DRIVER_LIBRARY)
    except OSError as error:
        raise _no_gpu(str(error)) from error
    version, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    major, minor = ctypes.c_int(), ctypes.c_int()
    for code in (
        cuda.cuInit(0),
        cuda.cuDriverGetVersion(ctypes.byref(version)),
        cuda.cuDeviceGet(ctypes.byref(device), 0),
        cuda.cuDeviceGetName(name, _NAME_BYTES, device),
        cuda.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device),
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device),
    ):
        if code:
            raise _no_gpu(f"CUDA error {code}")
    gpu = f"{name.value.decode('utf-8', 'replace')} ({major.value}.{minor.value})"
    return gpu, f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"


def _no_gpu(found: str) -> TensorRtError:
    return TensorRtError(
        _DRIVER_LIBRARY,
        found=f"no usable GPU ({found})",
        expected="a CUDA driver and a GPU",
        fix="Install the driver, or export the bundle for another device profile",
    )
