from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.evaluation.scores import Score, is_dominated, predictions_digest

classes = st.lists(st.integers(0, 3), min_size=1, max_size=40)


def test_balanced_accuracy_is_the_mean_over_classes() -> None:
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    assert Score.of(np.array([0, 0, 0, 0, 0, 0, 1, 0]), targets) == Score(87.5, 75.0)


def test_naming_the_largest_class_always_is_no_better_than_guessing() -> None:
    targets = np.array([0] * 9 + [1])
    assert Score.of(np.zeros(10, np.int64), targets) == Score(90.0, 50.0)


def test_a_class_without_an_item_does_not_count() -> None:
    assert Score.of(np.array([0, 2]), np.array([0, 0])) == Score(50.0, 50.0)


@given(st.integers(1, 8), st.integers(2, 4), st.integers(0, 99))
def test_where_classes_are_even_both_accuracies_are_the_same(items: int, count: int, seed: int) -> None:
    targets = np.repeat(np.arange(count), items)
    score = Score.of(np.random.default_rng(seed).integers(0, count, len(targets)), targets)
    assert score.balanced_accuracy == pytest.approx(score.accuracy)


@given(classes)
def test_right_answers_are_all_of_them(targets: list[int]) -> None:
    assert Score.of(np.array(targets), np.array(targets)) == Score(100.0, 100.0)


@pytest.mark.parametrize(("of_ten", "dominated"), [(5, False), (6, False), (7, True)])
def test_a_class_dominates_with_more_than_six_tenths(of_ten: int, dominated: bool) -> None:
    assert is_dominated((np.arange(10) >= of_ten).astype(np.int64)) == dominated


def test_the_digest_depends_on_the_predictions_alone() -> None:
    predicted = np.array([0, 1, 2])
    assert predictions_digest(predicted) == predictions_digest(predicted.astype(np.int32))
    assert predictions_digest(predicted) != predictions_digest(predicted[::-1])
