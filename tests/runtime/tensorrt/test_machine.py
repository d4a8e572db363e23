from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecl_runtime.errors import TensorRtError
from edgecl_runtime.tensorrt import find_machine


class Cuda:
    """A driver with one GPU, or one whose every call fails."""

    def __init__(self, code: int = 0) -> None:
        self.code = code

    def _done(self, *_: Any) -> int:
        return self.code

    cuInit = cuDeviceGet = _done  # noqa: N815  # names of the driver

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = 13_020
        return self.code

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
        name.value = b"Orin"
        return self.code

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:  # noqa: N802
        value._obj.value = {75: 8, 76: 7}[attribute]
        return self.code


class Nvinfer:
    """TensorRT 10.16.1."""

    def getInferLibVersion(self) -> int:  # noqa: N802
        return 101_601


def provider(folder: Path, *, major: int = 10) -> Path:
    """Write what a provider library says about its links."""
    path = folder / "provider.so"
    path.write_bytes(b"\x7fELF...libcudart.so.13\0libnvinfer.so.%d\0libnvonnxparser.so.%d\0" % (major, major))
    return path


def loader(**libraries: Any) -> Any:
    """Return what opens the libraries that are there."""

    def load(name: str) -> Any:
        if name not in libraries:
            raise OSError(f"{name}: cannot open shared object file")
        return libraries[name]

    return load


ALL = {"libnvinfer.so.10": Nvinfer(), "libcuda.so.1": Cuda()}


def test_gpu_driver_and_tensorrt_are_named(tmp_path: Path) -> None:
    machine = find_machine(load=loader(**ALL), provider_library=provider(tmp_path))
    assert (machine.gpu, machine.driver, machine.tensorrt) == ("Orin (8.7)", "CUDA 13.2", "10.16.1")


def test_an_onnxruntime_without_the_provider_is_named_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(
        TensorRtError, match=r"no TensorRT provider.*pip uninstall onnxruntime && pip install"
    ):
        find_machine(load=loader(**ALL), provider_library=tmp_path / "none.so")


def test_the_installed_onnxruntime_for_processors_has_none() -> None:
    with pytest.raises(TensorRtError, match="no TensorRT provider"):
        find_machine(load=loader(**ALL))


def test_a_newer_tensorrt_than_onnxruntime_was_linked_with_is_a_clash(tmp_path: Path) -> None:
    libraries = {"libnvinfer.so.11": Nvinfer(), "libcuda.so.1": Cuda()}
    with pytest.raises(
        TensorRtError, match=r'libnvinfer.so.10: found no usable library.*"tensorrt-cu13>=10,<11"'
    ):
        find_machine(load=loader(**libraries), provider_library=provider(tmp_path))


def test_without_a_driver_there_is_no_gpu(tmp_path: Path) -> None:
    with pytest.raises(TensorRtError, match=r"libcuda.so.1: found no usable GPU"):
        find_machine(load=loader(**{"libnvinfer.so.10": Nvinfer()}), provider_library=provider(tmp_path))


def test_a_driver_that_fails_is_no_gpu_either(tmp_path: Path) -> None:
    libraries = {**ALL, "libcuda.so.1": Cuda(code=100)}
    with pytest.raises(TensorRtError, match="found no usable GPU .CUDA error 100."):
        find_machine(load=loader(**libraries), provider_library=provider(tmp_path))
