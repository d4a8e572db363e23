from __future__ import annotations

import pytest

from edgecl_runtime.doctor import FINE, MEND, NOTE
from edgecl_runtime.doctor.facts import ProviderLibrary
from tests.runtime.doctor.machines import (
    CPU,
    CUDA,
    GPU,
    NEEDS_CUDA,
    NEEDS_TENSORRT,
    NUMPY,
    PIP,
    findings_of,
    make_bundle,
    make_facts,
    make_jetson,
    only,
)

DRIVER = frozenset({"libc.so.6", "libcuda.so.1"})
FOR_GPU = {"wheels": (NUMPY, GPU), "providers": CUDA, "bundle": make_bundle(providers=CUDA)}


def test_libraries_that_are_all_found_are_fine() -> None:
    found = DRIVER | {"libcudart.so.13"}
    finding = only("libraries", make_facts(**FOR_GPU, provider_libraries=(NEEDS_CUDA,), libraries=found))
    assert (finding.level, finding.message) == (FINE, "CUDAExecutionProvider: all 3 libraries are found")


def test_a_missing_cuda_is_installed_by_pip() -> None:
    finding = only("libraries", make_facts(**FOR_GPU, provider_libraries=(NEEDS_CUDA,), libraries=DRIVER))
    assert (finding.level, finding.message) == (
        MEND,
        "CUDAExecutionProvider needs libcudart.so.13 (not found)",
    )
    assert finding.line == f'{PIP} install "onnxruntime-gpu[cuda,cudnn]"'


def test_a_provider_that_no_bundle_asks_for_is_only_noted() -> None:
    finding = only("libraries", make_facts(provider_libraries=(NEEDS_CUDA,), libraries=DRIVER))
    assert finding.level == NOTE


@pytest.mark.parametrize(
    ("system", "line"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "sudo apt-get install nvidia-driver"),
        ("Ubuntu 24.04.4 LTS", "sudo ubuntu-drivers install"),
    ],
)
def test_a_missing_driver_is_installed_by_the_system(system: str, line: str) -> None:
    found = frozenset({"libc.so.6", "libcudart.so.13"})
    facts = make_facts(**FOR_GPU, system=system, provider_libraries=(NEEDS_CUDA,), libraries=found)
    assert only("libraries", facts).line == line


def test_libraries_of_wheels_are_put_on_the_path_of_the_loader() -> None:
    facts = make_facts(
        **FOR_GPU,
        provider_libraries=(NEEDS_CUDA,),
        libraries=DRIVER,
        unlisted={"libcudart.so.13": "/v/lib/nvidia/cu13/lib"},
    )
    finding = only("libraries", facts)
    assert finding.message.endswith("needs libcudart.so.13: there, but where the loader does not look")
    assert (
        finding.line == "export LD_LIBRARY_PATH=/v/lib/nvidia/cu13/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    )


def test_a_tensorrt_of_another_major_version_is_replaced_by_the_one_that_is_linked() -> None:
    facts = make_facts(
        provider_libraries=(NEEDS_TENSORRT,), libraries=frozenset({"libc.so.6", "libnvinfer.so.11"})
    )
    finding = only("libraries", facts)
    assert finding.message == (
        "TensorrtExecutionProvider needs libnvinfer.so.10 (not found; installed: libnvinfer.so.11)"
    )
    assert finding.line == f'{PIP} install "tensorrt-cu13<11"'


@pytest.mark.parametrize(
    ("name", "line"), [("libstdc++.so.6", "sudo apt-get install libstdc++6"), ("libz.so.1", "")]
)
def test_a_missing_library_of_the_system_is_installed_by_it_where_its_package_is_known(
    name: str, line: str
) -> None:
    library = ProviderLibrary("CUDAExecutionProvider", (name,))
    finding = only("libraries", make_facts(provider_libraries=(library,)))
    assert (finding.message, finding.line) == (f"CUDAExecutionProvider needs {name} (not found)", line)


def test_what_is_mended_in_different_ways_is_said_apart() -> None:
    facts = make_facts(**FOR_GPU, provider_libraries=(NEEDS_CUDA,), libraries=frozenset({"libc.so.6"}))
    assert len(findings_of("libraries", facts)) == 2


def test_on_a_jetson_a_missing_cuda_comes_with_jetpack() -> None:
    facts = make_jetson(provider_libraries=(NEEDS_CUDA,), libraries=DRIVER)
    assert only("libraries", facts).line == "sudo apt-get install nvidia-jetpack"


def test_on_a_jetson_an_onnxruntime_for_another_cuda_is_replaced() -> None:
    facts = make_jetson(provider_libraries=(NEEDS_CUDA,), libraries=DRIVER | {"libcudart.so.12"})
    finding = only("libraries", facts)
    assert "installed: libcudart.so.12" in finding.message
    assert "uninstall -y onnxruntime-gpu" in finding.line
    assert finding.line.endswith("--index-url https://pypi.jetson-ai-lab.io/jp6/cu126")


def test_a_bundle_for_a_gpu_on_a_plain_onnxruntime_is_told_to_replace_it() -> None:
    finding = only("providers", make_facts(wheels=(CPU,), bundle=make_bundle(providers=CUDA)))
    assert finding.level == MEND
    assert finding.message == (
        "the bundle asks for CUDAExecutionProvider, but the installed onnxruntime has only CPUExecutionProvider"
    )
    assert finding.line == f'{PIP} uninstall -y onnxruntime && {PIP} install "onnxruntime-gpu[cuda,cudnn]"'


def test_providers_that_are_there_are_fine() -> None:
    finding = only("providers", make_facts(bundle=make_bundle()))
    assert (finding.level, finding.message) == (FINE, "the bundle asks for CPUExecutionProvider")
