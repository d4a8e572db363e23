"""What reader and writer of packs agree on; docs/pack-format.md says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgecl_runtime.manifest import NO_DIGEST, Dimensions
from edgecl_runtime.tensors import expected_shapes

__all__ = [
    "DIGITS",
    "LENGTH_BYTES",
    "MAX_HEADER_BYTES",
    "NO_DIGITS",
    "PACK_SUFFIX",
    "PREFIX",
    "PROBE_FEATURES",
    "consistent_shapes",
    "shown_shape",
]

PACK_SUFFIX: Final = ".ecpack"
PROBE_FEATURES: Final = "probe_features"
LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 256_000
PREFIX: Final = b'{"__metadata__":{"edgecl":"{\\"header_sha256\\":\\"'
DIGITS: Final = slice(len(PREFIX), len(PREFIX) + 64)
NO_DIGITS: Final = NO_DIGEST.encode()


def consistent_shapes(shapes: Mapping[str, tuple[int, ...]], *, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that follow from prefix_k, adapter_down and the classes; none if those are odd."""
    if len(shapes["prefix_k"]) != 4 or len(shapes["adapter_down"]) != 3:
        return {}
    layers, heads, prefix_length, head_dim = shapes["prefix_k"]
    _, width, rank = shapes["adapter_down"]
    if 0 in (layers, heads, head_dim, width):
        return {}
    dimensions = Dimensions(layers=layers, width=width, heads=heads, head_dim=head_dim)
    return expected_shapes(dimensions, prefix_length=prefix_length, rank=rank, classes=classes)


def shown_shape(shape: tuple[int, ...] | None) -> str:
    """Return a shape for a message; None is what `consistent_shapes` has for tensors that are odd."""
    if shape is None:
        return "[layers, heads, length, head_dim] and [layers, width, rank]"
    return f"shape {list(shape)}"
