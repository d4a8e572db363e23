from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl_runtime.engine import BACKENDS, Backend
from edgecl_runtime.engine.bank import stack
from edgecl_runtime.tensors import TaskTensors, graph_shapes
from tests.runtime.engine.factories import make_engine, make_inputs, place
from tests.runtime.factories import DIMENSIONS, make_tensors

SIZES = [(3, 2), (0, 2), (5, 0), (0, 0), (1, 7)]


def make_tasks() -> list[TaskTensors | None]:
    return [None, *(make_tensors(seed=p, prefix_length=p, rank=r) for p, r in SIZES)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bank_of_any_sizes_gives_each_row_what_its_task_gives(backend: Backend) -> None:
    tasks, engine = make_tasks(), make_engine(backend)
    inputs = make_inputs(len(tasks))
    together = engine.place(stack(tasks, DIMENSIONS)).run(inputs)
    alone = [place(engine, task).run(inputs)[row] for row, task in enumerate(tasks)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_bank_of_no_tasks_is_the_bare_backbone() -> None:
    engine, inputs = make_engine(), make_inputs(2)
    together = engine.place(stack([None, None], DIMENSIONS)).run(inputs)
    np.testing.assert_allclose(together, engine.place(None).run(inputs), atol=1e-6)


def test_a_bank_of_one_task_is_the_task() -> None:
    task = make_tensors()
    for name, array in stack([task], DIMENSIONS).items():
        np.testing.assert_array_equal(array, task.graph_inputs()[name])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([None, *SIZES]), min_size=1, max_size=6))
def test_a_bank_has_the_shapes_of_the_graph(sizes: list[tuple[int, int] | None]) -> None:
    tasks = [None if size is None else make_tensors(prefix_length=size[0], rank=size[1]) for size in sizes]
    bank = stack(tasks, DIMENSIONS)
    longest = max((size[0] for size in sizes if size), default=0)
    assert bank["prefix_bias"].shape == (len(sizes), 1, 1, longest)
    for name, shape in graph_shapes(DIMENSIONS).items():
        assert all(wanted in (None, found) for wanted, found in zip(shape, bank[name].shape, strict=True))
