"""The tensors of one task: the same eight on the workstation, in a pack and on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecl_runtime.errors import InputError
from edgecl_runtime.int8 import ROW_AXIS, dequantize, quantize
from edgecl_runtime.manifest import Dimensions

__all__ = [
    "GRAPH_INPUTS",
    "STORED_TYPES",
    "TASK_TENSORS",
    "Array",
    "TaskTensors",
    "expected_shapes",
    "graph_shapes",
    "is_finite",
]

Array = npt.NDArray[Any]

TASK_TENSORS: Final = (
    "prefix_k",
    "prefix_v",
    "adapter_down",
    "adapter_down_bias",
    "adapter_up",
    "adapter_up_bias",
    "head_weight",
    "head_bias",
)
GRAPH_INPUTS: Final = (
    "prefix_k",
    "prefix_v",
    "prefix_bias",
    "adapter_down",
    "adapter_down_bias",
    "adapter_up",
    "adapter_up_bias",
)

STORED_TYPES: Final[Mapping[str, np.dtype[Any]]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_CHUNK = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class TaskTensors:
    """The tensors of one task, float16 or float32; P (prefix length) and R (rank) may be 0.

    With L blocks, H heads of size Dh, width D and C classes:

    Attributes:
        prefix_k: [L, H, P, Dh], keys put before the keys of each block.
        prefix_v: [L, H, P, Dh], values put before the values of each block.
        adapter_down: [L, D, R].
        adapter_down_bias: [L, R].
        adapter_up: [L, R, D].
        adapter_up_bias: [L, D].
        head_weight: [C, D].
        head_bias: [C].
    """

    prefix_k: Array
    prefix_v: Array
    adapter_down: Array
    adapter_down_bias: Array
    adapter_up: Array
    adapter_up_bias: Array
    head_weight: Array
    head_bias: Array

    @property
    def prefix_length(self) -> int:
        """P: the number of keys that are put before those of each block."""
        return int(self.prefix_k.shape[2])

    @property
    def rank(self) -> int:
        """R: the inner width of the adapters."""
        return int(self.adapter_down.shape[2])

    @property
    def size_bytes(self) -> int:
        """The bytes of all eight tensors."""
        return sum(int(array.nbytes) for _, array in self.items())

    def items(self) -> Iterator[tuple[str, Array]]:
        """Yield (name, array) in the order of `TASK_TENSORS`."""
        for entry in fields(self):
            yield entry.name, getattr(self, entry.name)

    def check(self, dimensions: Dimensions, classes: int) -> None:
        """Do nothing if every type, shape and value is right.

        Raises:
            InputError: the first tensor that is not float16 or float32, has another shape than the backbone
                and the number of classes ask for, or holds NaN or Infinity.
        """
        if self.prefix_k.ndim != 4 or self.adapter_down.ndim != 3:
            raise InputError(
                "prefix_k must be [layers, heads, length, head_dim], adapter_down [layers, width, rank]"
            )
        shapes = expected_shapes(
            dimensions, prefix_length=self.prefix_length, rank=self.rank, classes=classes
        )
        for name, array in self.items():
            if array.dtype not in STORED_TYPES.values():
                raise InputError(f"{name}: found {array.dtype}, expected float16 or float32")
            if array.shape != shapes[name]:
                raise InputError(f"{name}: found shape {list(array.shape)}, expected {list(shapes[name])}")
            if not is_finite(array):
                raise InputError(
                    f"{name}: found NaN or Infinity; lower the learning rate and train the task again"
                )

    def rounded(self, dtype: npt.DTypeLike) -> TaskTensors:
        """Return the tensors in a pack's type ("F16", "F32", or the numpy types), rounded to nearest.

        "I8" is the type of packs of half the size: what is large takes values that int8 with a scale per row can
        say, as float32, and the rest is float16. See `edgecl_runtime.int8`.

        Raises:
            InputError: the type is another one, or a value does not fit in it.
        """
        if dtype == "I8":
            return self._rounded_to_int8()
        wanted = STORED_TYPES.get(dtype) if isinstance(dtype, str) else None
        wanted = np.dtype(dtype) if wanted is None else wanted
        if wanted not in STORED_TYPES.values():
            raise InputError(f"tensors are stored as float16 or float32, not as {wanted}")
        arrays = {}
        for name, array in self.items():
            with np.errstate(over="ignore"):
                arrays[name] = np.ascontiguousarray(array, dtype=wanted)
            if not is_finite(arrays[name]):
                raise InputError(f"{name}: a value does not fit in {wanted}; store the pack as float32")
        return TaskTensors(**arrays)

    def _rounded_to_int8(self) -> TaskTensors:
        large = {
            name: dequantize(*quantize(getattr(self, name), axis=axis), axis=axis)
            for name, axis in ROW_AXIS.items()
        }
        small = {name: np.zeros_like(array) for name, array in large.items()}
        return replace(replace(self, **small).rounded("F16"), **large)

    def graph_inputs(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return new float32 arrays for the graph, with G = 1 after the layer axis.

        In the order of `GRAPH_INPUTS`: prefix_k and prefix_v [L, 1, H, P, Dh], prefix_bias [1, 1, 1, P]
        (zeros: on), adapter_down [L, 1, D, R], adapter_down_bias [L, 1, 1, R], adapter_up [L, 1, R, D],
        adapter_up_bias [L, 1, 1, D].
        """
        per_layer = {
            "prefix_k": self.prefix_k[:, None],
            "prefix_v": self.prefix_v[:, None],
            "adapter_down": self.adapter_down[:, None],
            "adapter_down_bias": self.adapter_down_bias[:, None, None],
            "adapter_up": self.adapter_up[:, None],
            "adapter_up_bias": self.adapter_up_bias[:, None, None],
        }
        inputs = {name: _as_float32(array) for name, array in per_layer.items()}
        inputs["prefix_bias"] = np.zeros((1, 1, 1, self.prefix_length), np.float32)
        return {name: inputs[name] for name in GRAPH_INPUTS}


def _as_float32(array: Array) -> npt.NDArray[np.float32]:
    """Return a new float32 array in C order; a half is looked up, which is quicker than a conversion."""
    if array.dtype != np.float16:
        return np.array(array, dtype=np.float32, order="C")
    bits = np.ascontiguousarray(array).view(np.uint16)
    return _every_half().take(bits, mode="clip")  # no index is out of range


@cache
def _every_half() -> npt.NDArray[np.float32]:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    with np.errstate(invalid="ignore"):  # some of them are signalling NaNs, which Arm reports
        return halves.astype(np.float32)


def expected_shapes(
    dimensions: Dimensions, *, prefix_length: int, rank: int, classes: int
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each of the eight task tensors."""
    layers, width = dimensions.layers, dimensions.width
    prefix = (layers, dimensions.heads, prefix_length, dimensions.head_dim)
    return {
        "prefix_k": prefix,
        "prefix_v": prefix,
        "adapter_down": (layers, width, rank),
        "adapter_down_bias": (layers, rank),
        "adapter_up": (layers, rank, width),
        "adapter_up_bias": (layers, width),
        "head_weight": (classes, width),
        "head_bias": (classes,),
    }


def graph_shapes(dimensions: Dimensions) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of each graph input of a task; None where a size is free (G, P and R)."""
    layers, width = dimensions.layers, dimensions.width
    prefix = (layers, None, dimensions.heads, None, dimensions.head_dim)
    return {
        "prefix_k": prefix,
        "prefix_v": prefix,
        "prefix_bias": (None, 1, 1, None),
        "adapter_down": (layers, None, width, None),
        "adapter_down_bias": (layers, None, 1, None),
        "adapter_up": (layers, None, None, width),
        "adapter_up_bias": (layers, None, 1, width),
    }


def is_finite(array: Array) -> bool:
    """Say whether a float16 or float32 array is free of NaN and Infinity, without temporaries of its size."""
    flat = np.ascontiguousarray(array).reshape(-1)
    bits: Array = flat.view(np.uint16 if flat.itemsize == 2 else np.uint32)
    exponent = 0x7C00 if flat.itemsize == 2 else 0x7F800000
    chunks = (bits[start : start + _CHUNK] for start in range(0, bits.size, _CHUNK))
    return not any(bool(((chunk & exponent) == exponent).any()) for chunk in chunks)
