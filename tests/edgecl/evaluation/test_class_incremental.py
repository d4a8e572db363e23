from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.evaluation.class_incremental import lowest_entropy


def test_the_surest_task_is_believed() -> None:
    unsure, sure = np.array([[0.1, 0.0]]), np.array([[0.0, 0.0, 9.0]])
    tasks, classes = lowest_entropy([unsure, sure])
    assert (tasks.tolist(), classes.tolist()) == ([1], [2])


def test_each_item_has_a_task_of_its_own() -> None:
    first, second = np.array([[5.0, 0.0], [0.1, 0.0]]), np.array([[0.1, 0.0], [0.0, 5.0]])
    tasks, classes = lowest_entropy([first, second])
    assert (tasks.tolist(), classes.tolist()) == ([0, 1], [0, 1])


def test_equally_sure_tasks_are_settled_by_their_order() -> None:
    same = np.array([[1.0, 0.0]])
    assert lowest_entropy([same, same])[0].tolist() == [0]


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_extreme_scores_have_an_entropy(scale: float) -> None:
    tasks, _ = lowest_entropy([np.array([[scale, 0.0]]), np.array([[0.0, 0.0]])])
    assert tasks.tolist() == [0]


@given(st.integers(0, 2**32 - 1), st.floats(-50, 50))
def test_a_constant_added_to_the_scores_of_a_task_changes_nothing(seed: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    scores = [random.normal(size=(6, 3)), random.normal(size=(6, 5))]
    shifted = [scores[0] + shift, scores[1]]
    assert lowest_entropy(scores)[0].tolist() == lowest_entropy(shifted)[0].tolist()
