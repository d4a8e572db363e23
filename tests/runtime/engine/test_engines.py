"""Every backend gives what the others give; the one that feeds is compared with numpy in `test_reference`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from edgecl_runtime import InputError, Profile
from edgecl_runtime.engine import BACKENDS, Backend
from edgecl_runtime.engine.backends import build_engine
from edgecl_runtime.engine.flat import BUFFERS, FlatEngine
from edgecl_runtime.engine.onnxruntime import open_session
from tests.runtime.engine.factories import CPU, make_engine, make_inputs, place
from tests.runtime.factories import DIMENSIONS, TEXT_BUNDLE, make_tensors

SIZES = [(3, 2), (3, 0), (0, 2), (0, 0), (7, 5)]

backends = pytest.mark.parametrize("backend", BACKENDS)


def run(backend: Backend, *, prefix_length: int = 3, rank: int = 2, seed: int = 0) -> npt.NDArray[np.float32]:
    tensors = make_tensors(prefix_length=prefix_length, rank=rank, seed=seed)
    return place(make_engine(backend), tensors).run(make_inputs())


def run_bare(backend: Backend = "feeds") -> npt.NDArray[np.float32]:
    return make_engine(backend).place(None).run(make_inputs())


@backends
def test_features_have_a_row_per_item(backend: Backend) -> None:
    features = run_bare(backend)
    assert features.shape == (3, 8)
    assert features.dtype == np.float32


@backends
@pytest.mark.parametrize(("prefix_length", "rank"), SIZES)
def test_backends_agree_on_every_size(backend: Backend, prefix_length: int, rank: int) -> None:
    expected = run("feeds", prefix_length=prefix_length, rank=rank)
    found = run(backend, prefix_length=prefix_length, rank=rank)
    np.testing.assert_array_equal(found, expected)


@backends
def test_backends_agree_without_a_task(backend: Backend) -> None:
    np.testing.assert_array_equal(run_bare(backend), run_bare())


@pytest.mark.parametrize(("prefix_length", "rank"), [(3, 0), (0, 2), (7, 5)])
def test_prefix_and_adapter_each_change_the_features(prefix_length: int, rank: int) -> None:
    assert np.abs(run("feeds", prefix_length=prefix_length, rank=rank) - run_bare()).max() > 0.1


@backends
def test_a_task_of_zero_tensors_is_the_bare_backbone(backend: Backend) -> None:
    tensors = make_tensors(prefix_length=0, rank=2)
    tensors.adapter_up[:] = 0
    tensors.adapter_up_bias[:] = 0
    found = place(make_engine(backend), tensors).run(make_inputs())
    np.testing.assert_allclose(found, run_bare(), atol=1e-6)


@backends
def test_tasks_leave_nothing_behind_for_each_other(backend: Backend) -> None:
    engine, inputs = make_engine(backend), make_inputs()
    tensors = [None, *(make_tensors(seed=seed) for seed in range(3))]
    expected = [place(make_engine(), each).run(inputs) for each in tensors]
    tasks = [place(engine, each) for each in tensors]
    np.testing.assert_array_equal([task.run(inputs) for task in tasks], expected)
    np.testing.assert_array_equal([task.run(inputs) for task in reversed(tasks)], expected[::-1])


@backends
def test_features_are_the_callers_own(backend: Backend) -> None:
    task = place(make_engine(backend), make_tensors())
    first = task.run(make_inputs())
    kept = first.copy()
    task.run(make_inputs(seed=1))
    np.testing.assert_array_equal(first, kept)


@backends
def test_a_placed_task_does_not_follow_the_arrays_it_was_made_of(backend: Backend) -> None:
    arrays = make_tensors().graph_inputs()
    task = make_engine(backend).place({name: array.copy() for name, array in arrays.items()})
    expected = task.run(make_inputs())
    np.testing.assert_array_equal(make_engine(backend).place(arrays).run(make_inputs()), expected)


@backends
def test_threads_that_share_a_task_get_their_own_rows(backend: Backend) -> None:
    engine = make_engine(backend)
    tasks = [place(engine, make_tensors(seed=seed)) for seed in range(2)]
    asked = [(tasks[number % 2], make_inputs(1 + number % 3, seed=number)) for number in range(60)]
    alone = [task.run(inputs) for task, inputs in asked]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda pair: pair[0].run(pair[1]), asked))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))


@backends
def test_wrong_inputs_are_refused_with_their_shapes_and_the_next_call_works(backend: Backend) -> None:
    task = place(make_engine(backend), make_tensors())
    with pytest.raises(InputError, match=r"the graph refuses pixel_values float32 \[3, 3, 4, 4\]"):
        task.run({"pixel_values": np.zeros((3, 3, 4, 4), np.float32)})
    np.testing.assert_array_equal(task.run(make_inputs()), run("feeds"))


@backends
def test_padding_does_not_change_a_text(backend: Backend) -> None:
    session = open_session(TEXT_BUNDLE / "backbone.onnx", CPU)
    engine = build_engine(session, Profile(backend=backend), width=DIMENSIONS.width)
    task = place(engine, make_tensors())
    short = {"input_ids": np.array([[2, 6, 3]]), "attention_mask": np.array([[1, 1, 1]])}
    padded = {"input_ids": np.array([[2, 6, 3, 0, 0]]), "attention_mask": np.array([[1, 1, 1, 0, 0]])}
    np.testing.assert_allclose(task.run(padded), task.run(short), atol=1e-5)


@backends
def test_the_bytes_of_a_task_are_counted(backend: Backend) -> None:
    engine, arrays = make_engine(backend), make_tensors().graph_inputs()
    exact = sum(array.nbytes for array in arrays.values())
    assert exact <= engine.place(arrays).size_bytes <= exact + 7 * 256
    assert engine.place(None).size_bytes == 0


def test_a_switch_between_tasks_of_one_size_moves_no_buffer() -> None:
    engine = make_engine("flat")
    assert isinstance(engine, FlatEngine)
    for seed in range(4):
        place(engine, make_tensors(seed=seed)).run(make_inputs())
    assert len(engine._buffers) == 1


def test_only_the_last_sizes_keep_their_buffers() -> None:
    engine = make_engine("flat")
    assert isinstance(engine, FlatEngine)
    for rows in range(1, BUFFERS + 3):
        engine.place(None).run(make_inputs(rows))
    assert len(engine._buffers) == BUFFERS
