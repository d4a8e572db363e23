"""Packs of random tensors: what a task costs does not depend on what it has learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecl_runtime.bundle import Bundle
from edgecl_runtime.manifest import PackManifest, Probe, Provenance
from edgecl_runtime.pack import encode_pack
from edgecl_runtime.tensors import TaskTensors, expected_shapes

__all__ = ["make_pack", "write_packs"]

_CLASSES = 10
_SPREAD = 0.05


def make_pack(bundle: Bundle, task: str, *, prefix_length: int, rank: int, seed: int) -> bytes:
    """Return a float16 pack of ten classes that fits a bundle."""
    random = np.random.default_rng(seed)
    shapes = expected_shapes(bundle.dimensions, prefix_length=prefix_length, rank=rank, classes=_CLASSES)
    arrays = {name: random.normal(0, _SPREAD, shape).astype(np.float16) for name, shape in shapes.items()}
    manifest = PackManifest(
        task=task,
        version=1,
        fingerprint=bundle.fingerprint,
        labels=tuple(f"class-{number}" for number in range(_CLASSES)),
        attention=bundle.attention,
        probe=Probe(seeds=(0,), tolerance={}),
        provenance=Provenance("bench", {"seed": seed}, "none", {"numpy": np.__version__}),
    )
    return encode_pack(manifest, TaskTensors(**arrays), np.zeros((1, bundle.dimensions.width), np.float32))


def write_packs(folder: Path, bundle: Bundle, count: int, *, prefix_length: int, rank: int) -> list[Path]:
    """Write packs of tasks with names of their own into a folder, and return their paths."""
    paths = []
    for number in range(count):
        task = f"made-{number}"
        paths.append(folder / f"{task}-1.ecpack")
        paths[-1].write_bytes(make_pack(bundle, task, prefix_length=prefix_length, rank=rank, seed=number))
    return paths
