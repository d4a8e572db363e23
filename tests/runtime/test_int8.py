from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgecl_runtime import Dimensions, InputError, PackFormatError, PackTooNewError, parse_pack
from edgecl_runtime.int8 import LARGEST_SCALE, ROW_AXIS, dequantize, quantize
from tests.runtime.factories import forge, make_pack, make_tensors, split

VALUES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_a_rounded_value_is_at_most_half_a_scale_away(values: np.ndarray) -> None:
    integers, scales = quantize(values, axis=1)
    found = dequantize(integers, scales, axis=1).astype(np.float64)
    largest_error = np.abs(found - values).max(axis=1, initial=0)
    assert (largest_error <= np.maximum(scales.astype(np.float64) / 2, 2.0**-100)).all()


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_was_rounded_is_rounded_to_itself(values: np.ndarray) -> None:
    integers, scales = quantize(values, axis=1)
    again, same_scales = quantize(dequantize(integers, scales, axis=1), axis=1)
    np.testing.assert_array_equal(again, integers)
    np.testing.assert_array_equal(same_scales, scales)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_the_largest_value_of_a_row_takes_the_largest_integer(values: np.ndarray) -> None:
    integers, scales = quantize(values, axis=1)
    largest = np.abs(integers.astype(np.int16)).max(axis=1, initial=0)
    np.testing.assert_array_equal(largest, np.where(scales > 0, 127, 0))


def test_a_value_beyond_every_scale_is_refused() -> None:
    with pytest.raises(InputError, match="does not fit in int8"):
        quantize(np.full((1, 2), 3e38, np.float32), axis=1)


def test_rows_are_rounded_apart() -> None:
    values = np.array([[1e-3, 5e-4], [1e3, 0]], np.float32)
    found = dequantize(*quantize(values, axis=1), axis=1)
    np.testing.assert_allclose(found, values, rtol=0.01)


def test_an_int8_pack_gives_back_what_was_rounded() -> None:
    tensors = make_tensors(prefix_length=3, rank=2, dtype="I8")
    pack = parse_pack(make_pack(tensors=tensors, int8=True), "a")
    assert (pack.manifest.format_version, str(pack.stored["prefix_k"].dtype)) == (2, "int8")
    for (name, found), (_, expected) in zip(pack.tensors.items(), tensors.items(), strict=True):
        assert found.dtype == expected.dtype, name
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("prefix_length", "rank"), [(0, 0), (3, 0), (0, 2)])
def test_an_int8_pack_may_lack_prefixes_or_adapters(prefix_length: int, rank: int) -> None:
    tensors = make_tensors(prefix_length=prefix_length, rank=rank, dtype="I8")
    found = parse_pack(make_pack(tensors=tensors, int8=True), "a").tensors
    assert (found.prefix_length, found.rank) == (prefix_length, rank)


def test_tensors_that_int8_cannot_say_are_not_written_as_int8() -> None:
    with pytest.raises(InputError, match='prefix_k: .* expected those of TaskTensors.rounded\\("I8"\\)'):
        make_pack(tensors=make_tensors(dtype="F32"), int8=True)


def test_the_tensors_of_an_int8_pack_take_little_more_than_half() -> None:
    sizes: dict[str, Any] = {"prefix_length": 10, "rank": 16, "dimensions": Dimensions(2, 192, 3, 64)}
    data = [
        split(make_pack(tensors=make_tensors(**sizes, dtype=dtype), int8=dtype == "I8"))[1]
        for dtype in ("F16", "I8")
    ]
    assert len(data[1]) < 0.6 * len(data[0])


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), LARGEST_SCALE * 2])
def test_a_scale_that_no_writer_writes_is_refused(value: float) -> None:
    def spoil(data: bytes) -> bytes:
        # F32 tensors come first, by name: adapter_down_scale begins the file.
        return np.float32(value).tobytes() + data[4:]

    raw = make_pack(tensors=make_tensors(dtype="I8"), int8=True)
    with pytest.raises(PackFormatError, match="adapter_down_scale: found"):
        parse_pack(forge(raw, data=spoil), "a")


def test_int8_in_a_pack_of_format_1_is_refused() -> None:
    raw = make_pack(tensors=make_tensors(dtype="I8"), int8=True)
    with pytest.raises(PackFormatError, match="_scale"):
        parse_pack(forge(raw, manifest=lambda said: said.update(format_version=1)), "a")


def test_float16_in_a_pack_of_format_2_is_refused() -> None:
    with pytest.raises(PackFormatError, match="_scale.*found nothing"):
        parse_pack(forge(make_pack(), manifest=lambda said: said.update(format_version=2)), "a")


def test_format_3_is_newer() -> None:
    with pytest.raises(PackTooNewError):
        parse_pack(forge(make_pack(), manifest=lambda said: said.update(format_version=3)), "a")


def test_what_is_small_stays_float16() -> None:
    tensors = make_tensors(dtype="F32").rounded("I8")
    small = [array for name, array in tensors.items() if name not in ROW_AXIS]
    assert {array.dtype for array in small} == {np.dtype(np.float16)}


def test_a_head_too_large_for_float16_is_refused_by_name() -> None:
    tensors = replace(make_tensors(dtype="F32"), head_bias=np.array([1e6, 0], np.float32))
    with pytest.raises(InputError, match="head_bias: a value does not fit"):
        tensors.rounded("I8")
