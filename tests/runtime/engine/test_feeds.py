from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecl_runtime import InputError
from edgecl_runtime.engine import ActiveTask
from edgecl_runtime.engine.feeds import FeedsEngine
from tests.runtime.factories import DIMENSIONS, IMAGE_BUNDLE, TEXT_BUNDLE, make_tensors

CPU = ("CPUExecutionProvider",)


def make_engine() -> FeedsEngine:
    return FeedsEngine(IMAGE_BUNDLE / "backbone.onnx", CPU, modality="image", dimensions=DIMENSIONS)


def make_inputs(rows: int = 3) -> dict[str, np.ndarray]:
    return {"pixel_values": np.random.default_rng(0).normal(size=(rows, 3, 8, 8)).astype(np.float32)}


def run(*, prefix_length: int, rank: int) -> npt.NDArray[np.float32]:
    tensors = make_tensors(prefix_length=prefix_length, rank=rank)
    return make_engine().run(make_inputs(), ActiveTask.from_tensors(tensors))


def test_features_have_a_row_per_item() -> None:
    features = make_engine().run(make_inputs(), None)
    assert features.shape == (3, 8)
    assert features.dtype == np.float32


@pytest.mark.parametrize(("prefix_length", "rank"), [(3, 0), (0, 2), (7, 5)])
def test_prefix_and_adapter_each_change_the_features(prefix_length: int, rank: int) -> None:
    assert (
        np.abs(run(prefix_length=prefix_length, rank=rank) - make_engine().run(make_inputs(), None)).max()
        > 0.1
    )


def test_a_task_of_zero_tensors_is_the_bare_backbone() -> None:
    tensors = make_tensors(prefix_length=0, rank=2)
    tensors.adapter_up[:] = 0
    tensors.adapter_up_bias[:] = 0
    features = make_engine().run(make_inputs(), ActiveTask.from_tensors(tensors))
    np.testing.assert_allclose(features, make_engine().run(make_inputs(), None), atol=1e-6)


def test_a_task_leaves_nothing_behind() -> None:
    engine = make_engine()
    before = engine.run(make_inputs(), None)
    engine.run(make_inputs(), ActiveTask.from_tensors(make_tensors()))
    np.testing.assert_array_equal(engine.run(make_inputs(), None), before)


def test_an_active_task_is_float32_throughout() -> None:
    active = ActiveTask.from_tensors(make_tensors(dtype="F16"))
    arrays = [*active.graph_inputs.values(), active.head_weight, active.head_bias]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_wrong_inputs_are_refused_with_their_shapes() -> None:
    with pytest.raises(InputError, match=r"the graph refuses pixel_values float32 \[3, 3, 4, 4\]"):
        make_engine().run({"pixel_values": np.zeros((3, 3, 4, 4), np.float32)}, None)


def test_padding_does_not_change_a_text() -> None:
    engine = FeedsEngine(TEXT_BUNDLE / "backbone.onnx", CPU, modality="text", dimensions=DIMENSIONS)
    short = {"input_ids": np.array([[2, 6, 3]]), "attention_mask": np.array([[1, 1, 1]])}
    padded = {"input_ids": np.array([[2, 6, 3, 0, 0]]), "attention_mask": np.array([[1, 1, 1, 0, 0]])}
    task = ActiveTask.from_tensors(make_tensors())
    np.testing.assert_allclose(engine.run(padded, task), engine.run(short, task), atol=1e-5)
