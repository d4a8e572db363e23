from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecl_runtime import InputError, TaskTensors
from edgecl_runtime.tensors import GRAPH_INPUTS, TASK_TENSORS, is_finite
from tests.runtime.factories import DIMENSIONS, make_tensors


def test_lengths_follow_from_the_shapes() -> None:
    tensors = make_tensors(prefix_length=5, rank=4)
    assert (tensors.prefix_length, tensors.rank) == (5, 4)
    assert [name for name, _ in tensors.items()] == list(TASK_TENSORS)


def test_the_graph_gets_float32_with_the_axis_of_tasks() -> None:
    inputs = make_tensors(prefix_length=5, rank=3, dtype="F16").graph_inputs()
    assert tuple(inputs) == GRAPH_INPUTS
    assert {array.dtype for array in inputs.values()} == {np.dtype(np.float32)}
    assert {name: array.shape for name, array in inputs.items()} == {
        "prefix_k": (2, 1, 2, 5, 4),
        "prefix_v": (2, 1, 2, 5, 4),
        "prefix_bias": (1, 1, 1, 5),
        "adapter_down": (2, 1, 8, 3),
        "adapter_down_bias": (2, 1, 1, 3),
        "adapter_up": (2, 1, 3, 8),
        "adapter_up_bias": (2, 1, 1, 8),
    }


def test_every_finite_half_becomes_the_same_number_in_a_graph_input() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    tensors = replace(
        make_tensors(dtype="F16"),
        adapter_down=halves.reshape(2, 4, -1),
        prefix_k=halves[::-1].reshape(2, 2, -1, 4),
    )
    inputs = tensors.graph_inputs()
    np.testing.assert_array_equal(inputs["adapter_down"].ravel(), halves.astype(np.float32))
    np.testing.assert_array_equal(inputs["prefix_k"].ravel(), halves[::-1].astype(np.float32))


def test_the_graph_inputs_are_copies() -> None:
    tensors = make_tensors(dtype="F32")
    assert not any(np.shares_memory(array, tensors.prefix_k) for array in tensors.graph_inputs().values())


def test_nothing_is_a_task_too() -> None:
    tensors = make_tensors(prefix_length=0, rank=0)
    tensors.check(DIMENSIONS, 2)
    assert tensors.graph_inputs()["prefix_k"].shape == (2, 1, 2, 0, 4)


def test_rounding_is_to_nearest_and_idempotent() -> None:
    once = make_tensors(dtype="F32").rounded(np.float16)
    assert once.head_weight.dtype == np.float16
    np.testing.assert_array_equal(once.rounded("F16").head_weight, once.head_weight)


def test_a_value_too_large_for_fp16_is_refused_by_name() -> None:
    tensors = replace(make_tensors(dtype="F32"), head_bias=np.array([1e6, 0], np.float32))
    with pytest.raises(InputError, match="head_bias: a value does not fit in float16"):
        tensors.rounded("F16")


@pytest.mark.parametrize("dtype", ["float64", "int8", ">f2"])
def test_other_types_are_not_stored(dtype: str) -> None:
    with pytest.raises(InputError, match="stored as float16 or float32"):
        make_tensors().rounded(dtype)


@pytest.mark.parametrize("name", TASK_TENSORS)
def test_a_wrong_shape_is_refused_by_name(name: str) -> None:
    tensors = make_tensors()
    cut = replace(tensors, **{name: getattr(tensors, name)[..., :-1]})
    with pytest.raises(InputError, match="found shape"):
        cut.check(DIMENSIONS, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_a_value_that_is_not_finite_is_refused(value: float, dtype: str) -> None:
    tensors = make_tensors(dtype=dtype)
    tensors.adapter_up[1, 0, 3] = value
    with pytest.raises(InputError, match="adapter_up: found NaN or Infinity"):
        tensors.check(DIMENSIONS, 2)


def test_a_wrong_type_is_refused_by_name() -> None:
    tensors = make_tensors()
    wide = TaskTensors(**{name: array.astype(np.float64) for name, array in tensors.items()})
    with pytest.raises(InputError, match="prefix_k: found float64"):
        wide.check(DIMENSIONS, 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_finite_is_what_numpy_says(dtype: type[np.floating]) -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    values = bits.view(np.float16) if dtype is np.float16 else (bits.astype(np.uint32) << 16).view(np.float32)
    assert [is_finite(values[index : index + 1]) for index in range(0, 2**16, 37)] == [
        bool(np.isfinite(value)) for value in values[::37]
    ]


@pytest.mark.parametrize("place", [0, 65_535, 65_536, 149_999])
def test_the_last_chunk_is_looked_at_too(place: int) -> None:
    values = np.zeros(150_000, np.float16)
    values[place] = np.inf
    assert not is_finite(values)
