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


@given(st.integers(0, 2**32 - 1), st.integers(2, 50))
def test_heads_of_equally_many_classes_are_settled_by_their_entropy(seed: int, classes: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(3, 6, classes))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    entropies = -(probabilities * np.log(probabilities)).sum(axis=2)
    assert lowest_entropy([*scores])[0].tolist() == entropies.argmin(axis=0).tolist()


def test_a_head_of_two_classes_that_knows_nothing_does_not_beat_a_good_one_of_forty() -> None:
    random = np.random.default_rng(0)
    targets = np.arange(400) % 40
    good, noise = 6.0 * np.eye(40)[targets] + random.normal(size=(400, 40)), random.normal(size=(400, 2))
    tasks, classes = lowest_entropy([noise, good])
    assert ((tasks == 1) & (classes == targets)).mean() > 0.9


def test_a_head_that_knows_nothing_is_as_unsure_with_any_number_of_classes() -> None:
    nothing = [np.zeros((1, classes)) for classes in (2, 40)]
    slightly_sure = np.array([[0.5, 0.0, 0.0]])
    assert lowest_entropy([*nothing, slightly_sure])[0].tolist() == [2]


def test_a_head_of_a_single_class_says_nothing() -> None:
    single, unsure = np.array([[9.0]]), np.array([[0.1, 0.0]])
    tasks, classes = lowest_entropy([single, unsure])
    assert (tasks.tolist(), classes.tolist()) == ([1], [0])


def test_a_head_of_a_single_class_is_believed_where_there_is_no_other() -> None:
    single = np.array([[9.0]])
    tasks, classes = lowest_entropy([single, single])
    assert (tasks.tolist(), classes.tolist()) == ([0], [0])
