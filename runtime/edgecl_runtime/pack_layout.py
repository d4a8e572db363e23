"""What reader and writer of packs agree on; docs/pack-format.md says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from edgecl_runtime.int8 import ROW_AXIS, SCALE_SUFFIX, dequantize, quantize
from edgecl_runtime.manifest import NO_DIGEST, Dimensions
from edgecl_runtime.tensors import STORED_TYPES, TASK_TENSORS, Array, TaskTensors, expected_shapes

__all__ = [
    "DIGITS",
    "FILE_TYPES",
    "LENGTH_BYTES",
    "MAX_HEADER_BYTES",
    "NO_DIGITS",
    "PACK_SUFFIX",
    "PREFIX",
    "PROBE_FEATURES",
    "allowed_types",
    "consistent_shapes",
    "packed",
    "shown_shape",
    "tensor_names",
    "unpacked",
]

PACK_SUFFIX: Final = ".ecpack"
PROBE_FEATURES: Final = "probe_features"
LENGTH_BYTES: Final = 8
MAX_HEADER_BYTES: Final = 256_000
PREFIX: Final = b'{"__metadata__":{"edgecl":"{\\"header_sha256\\":\\"'
DIGITS: Final = slice(len(PREFIX), len(PREFIX) + 64)
NO_DIGITS: Final = NO_DIGEST.encode()
FILE_TYPES: Final[Mapping[str, np.dtype[Any]]] = {**STORED_TYPES, "I8": np.dtype(np.int8)}

_INT8_FORMAT = 2
_SCALES = {name + SCALE_SUFFIX: axis for name, axis in ROW_AXIS.items()}


def tensor_names(format_version: int) -> tuple[str, ...]:
    """Return the names of all tensors of a pack, in the order in which they are checked."""
    scales = tuple(_SCALES) if format_version >= _INT8_FORMAT else ()
    return (*TASK_TENSORS, PROBE_FEATURES, *scales)


def allowed_types(name: str, format_version: int) -> tuple[str, ...]:
    """Return the types in which a tensor may be stored."""
    if name == PROBE_FEATURES or name in _SCALES:
        return ("F32",)
    return ("I8",) if name in ROW_AXIS and format_version >= _INT8_FORMAT else ("F16", "F32")


def packed(tensors: TaskTensors, *, int8: bool) -> dict[str, Array]:
    """Return the arrays that a pack stores for a task, by the names they have there.

    Raises:
        InputError: a value does not fit in int8.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    for name, axis in ROW_AXIS.items() if int8 else ():
        arrays[name], arrays[name + SCALE_SUFFIX] = quantize(arrays[name], axis=axis)
    return arrays


def unpacked(stored: Mapping[str, Array]) -> TaskTensors:
    """Return the tensors of a task; those that a pack stores in int8 become new float32 arrays."""
    arrays = {name: stored[name] for name in TASK_TENSORS}
    for name, axis in ROW_AXIS.items():
        if name + SCALE_SUFFIX in stored:
            arrays[name] = dequantize(stored[name], stored[name + SCALE_SUFFIX], axis=axis)
    return TaskTensors(**arrays)


def consistent_shapes(shapes: Mapping[str, tuple[int, ...]], *, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that follow from prefix_k, adapter_down and the classes; none if those are odd.

    Only names that `shapes` has are among them.
    """
    if len(shapes["prefix_k"]) != 4 or len(shapes["adapter_down"]) != 3:
        return {}
    layers, heads, prefix_length, head_dim = shapes["prefix_k"]
    _, width, rank = shapes["adapter_down"]
    if 0 in (layers, heads, head_dim, width):
        return {}
    dimensions = Dimensions(layers=layers, width=width, heads=heads, head_dim=head_dim)
    expected = expected_shapes(dimensions, prefix_length=prefix_length, rank=rank, classes=classes)
    for name, axis in _SCALES.items():
        of = expected[name.removesuffix(SCALE_SUFFIX)]
        expected[name] = of[:axis] + of[axis + 1 :]
    return {name: shape for name, shape in expected.items() if name in shapes}


def shown_shape(shape: tuple[int, ...] | None) -> str:
    """Return a shape for a message; None is what `consistent_shapes` has for tensors that are odd."""
    if shape is None:
        return "[layers, heads, length, head_dim] and [layers, width, rank]"
    return f"shape {list(shape)}"
