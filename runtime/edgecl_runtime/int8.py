"""Tensors in int8 with one float32 scale per row: half the bytes of float16.

Scales have 11 significant bits, so that every product `scale * integer` is exact in float32. What was rounded once
is therefore rounded to itself again: a pack says exactly what the gate has measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecl_runtime.errors import InputError

__all__ = ["LARGEST_SCALE", "ROW_AXIS", "SCALE_SUFFIX", "dequantize", "quantize"]

Float32 = npt.NDArray[np.float32]

# The axis along which values share a scale: the size of a head for prefixes, the width for the units of adapters.
ROW_AXIS: Final[Mapping[str, int]] = {"prefix_k": 3, "prefix_v": 3, "adapter_down": 1, "adapter_up": 2}
SCALE_SUFFIX: Final = "_scale"
LARGEST_SCALE: Final = float(2.0**120)

_LARGEST = 127
_SCALE_BITS = 11
_NOTHING = 2.0**-100  # rows below it are zero: their scale would lose bits


def quantize(values: npt.NDArray[Any], *, axis: int) -> tuple[npt.NDArray[np.int8], Float32]:
    """Return integers from -127 to 127 of the shape of `values`, and scales float32 without its row axis.

    `scale * integer` differs from each value by at most half a scale, and a scale is at most 0.1 % above
    the largest value of its row divided by 127.

    Raises:
        InputError: a value is above 127 times the largest scale.
    """
    exact = np.asarray(values, np.float64)
    largest = np.abs(exact).max(axis=axis, initial=0.0)
    scales = _with_few_bits(np.where(largest < _NOTHING, 0.0, largest / _LARGEST))
    if scales.size and scales.max() > LARGEST_SCALE:
        raise InputError("a value does not fit in int8; store the pack as float32")
    divisors = np.expand_dims(np.where(scales == 0, 1.0, scales), axis)
    integers = np.where(np.expand_dims(scales, axis) == 0, 0.0, np.rint(exact / divisors))
    return integers.astype(np.int8), scales.astype(np.float32)


def dequantize(integers: npt.NDArray[np.int8], scales: Float32, *, axis: int) -> Float32:
    """Return float32 values of the shape of `integers`; every product is exact."""
    values: Float32 = np.multiply(integers, np.expand_dims(scales, axis), dtype=np.float32)
    return values


def _with_few_bits(scales: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the next numbers above that have at most 11 significant bits."""
    mantissas, exponents = np.frexp(scales)
    rounded: npt.NDArray[np.float64] = np.ldexp(
        np.ceil(np.ldexp(mantissas, _SCALE_BITS)), exponents - _SCALE_BITS
    )
    return rounded
