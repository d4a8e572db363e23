"""Machines to examine: a healthy one, and changes to it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgecl_runtime import Profile
from edgecl_runtime.doctor import Facts, Finding, examine
from edgecl_runtime.doctor.facts import (
    BundleFacts,
    FolderFacts,
    ProviderLibrary,
    StoreFacts,
    Trial,
    Wheel,
)

PIP = "/usr/bin/python3 -m pip"
CPU = Wheel("onnxruntime", "1.31.1", ("cp311-cp311-manylinux_2_28_x86_64",), is_onnxruntime=True)
GPU = Wheel("onnxruntime-gpu", "1.31.1", ("cp311-cp311-manylinux_2_28_x86_64",), is_onnxruntime=True)
NUMPY = Wheel("numpy", "2.4.6", ("cp311-cp311-manylinux_2_27_x86_64", "cp311-cp311-manylinux_2_28_x86_64"))
PILLOW = Wheel("pillow", "12.0.0", ("cp311-cp311-manylinux2014_x86_64",))
TUF = Wheel("tuf", "7.0.1", ("py3-none-any",))
REQUIREMENTS = {
    "": ("numpy>=1.26", "safetensors>=0.5"),
    "cpu": ("onnxruntime>=1.23",),
    "gpu": ("onnxruntime-gpu>=1.23",),
    "image": ("pillow>=11.0",),
    "text": ("tokenizers>=0.21",),
    "ota": ("tuf>=6.0",),
}
CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")
NEEDS_CUDA = ProviderLibrary("CUDAExecutionProvider", ("libcudart.so.13", "libcuda.so.1", "libc.so.6"))
NEEDS_TENSORRT = ProviderLibrary("TensorrtExecutionProvider", ("libnvinfer.so.10", "libc.so.6"))


def make_facts(**changes: Any) -> Facts:
    """Return a machine on which everything is fine."""
    values: dict[str, Any] = {
        "python": (3, 11, 2),
        "executable": "/usr/bin/python3",
        "machine": "x86_64",
        "glibc": (2, 36),
        "system": "Debian GNU/Linux 12 (bookworm)",
        "l4t": None,
        "wheels": (NUMPY, CPU, PILLOW, TUF),
        "requirements": REQUIREMENTS,
        "providers": ("CPUExecutionProvider",),
        "onnxruntime_error": "",
        "provider_libraries": (),
        "libraries": frozenset({"libc.so.6"}),
        "unlisted": {},
        "now": day(2026, 11, 21),
        "built": day(2026, 1, 1),
    }
    return Facts(**{**values, **changes})


def make_jetson(**changes: Any) -> Facts:
    """Return a Jetson Orin with JetPack 6 and a bundle for its GPU."""
    values: dict[str, Any] = {
        "python": (3, 10, 12),
        "machine": "aarch64",
        "glibc": (2, 35),
        "system": "Ubuntu 22.04.5 LTS",
        "l4t": (36, 4, 3),
        "wheels": (
            Wheel("onnxruntime-gpu", "1.23.0", ("cp310-cp310-linux_aarch64",), is_onnxruntime=True),
            Wheel("pillow", "12.0.0"),
        ),
        "providers": CUDA,
        "bundle": make_bundle(providers=CUDA),
    }
    return make_facts(**{**values, **changes})


def make_bundle(*, modality: str = "image", trial: Trial | None = None, **profile: Any) -> BundleFacts:
    """Return a bundle that runs; `profile` are values of its device profile."""
    return BundleFacts(
        Path("/data/bundle"),
        modality=modality,
        profile=Profile(**profile),
        trial=trial or Trial(latency_ms=5),
    )


def make_store(**changes: Any) -> StoreFacts:
    """Return a store that runs 20 MB."""
    return StoreFacts(**{"path": Path("/data/store"), "active_bytes": 20_000_000, **changes})


def make_folder(**changes: Any) -> FolderFacts:
    """Return a roomy drive with ext4."""
    values: dict[str, Any] = {
        "path": Path("/data/store"),
        "kind": "ext4",
        "mounted_at": "/data",
        "is_read_only": False,
        "free_bytes": 10_000_000_000,
    }
    return FolderFacts(**{**values, **changes})


def day(year: int, month: int, date: int) -> datetime:
    """Return midnight of a day in UTC."""
    return datetime(year, month, date, tzinfo=timezone.utc)


def findings_of(check: str, facts: Facts) -> list[Finding]:
    """Return what is said about one thing."""
    return [finding for finding in examine(facts) if finding.check == check]


def only(check: str, facts: Facts) -> Finding:
    """Return the one thing that is said about it."""
    [finding] = findings_of(check, facts)
    return finding
