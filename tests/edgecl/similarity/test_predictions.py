from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.errors import DataError
from edgecl.similarity import Refusal, leep
from edgecl.similarity.predictions import leep_chance, leep_score

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2])


def entropy(labels: np.ndarray) -> float:
    """Return the entropy of labels, nats."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def test_leep_of_a_source_that_is_certain_is_minus_the_conditional_entropy() -> None:
    source = np.array([0, 0, 1, 1, 1, 1, 0, 0])
    inside = [entropy(LABELS[source == each]) for each in (0, 1)]
    assert leep(np.eye(3)[source], LABELS) == pytest.approx(-np.mean(inside))


def test_leep_of_a_source_that_knows_the_classes_is_zero() -> None:
    assert leep(np.eye(4)[LABELS + 1], LABELS) == 0.0


def test_leep_of_a_source_that_always_says_the_same_is_minus_the_entropy_of_the_labels() -> None:
    same = np.tile([0.7, 0.2, 0.1], (8, 1))
    assert leep(same, LABELS) == pytest.approx(-entropy(LABELS))


def test_leep_of_balanced_labels_and_no_knowledge_is_minus_log_k() -> None:
    labels = np.arange(20) % 5
    assert leep(np.full((20, 2), 0.5), labels) == pytest.approx(-np.log(5))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_leep_lies_between_minus_the_entropy_of_the_labels_and_zero(seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.full(4, 0.3), size=8)
    assert -entropy(LABELS) - 1e-12 <= leep(probabilities, LABELS) <= 1e-12


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        (np.ones(8), "Give one row of probabilities"),
        (np.ones((7, 1)), "Give one row of probabilities"),
        (np.ones((8, 2)), "rows that are no distributions"),
        (np.tile([1.5, -0.5], (8, 1)), "rows that are no distributions"),
        (np.full((8, 2), np.nan), "rows that are no distributions"),
    ],
)
def test_leep_refuses_what_is_no_distribution(probabilities: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        leep(probabilities, LABELS)


def test_fewer_than_two_samples_for_each_source_class_are_refused() -> None:
    assert leep_score(np.full((8, 5), 0.2), LABELS) == Refusal(
        "8 samples for the 5 classes of the source are too few to count which labels each goes with: "
        "it takes 10 samples, or use h_lwc",
        least=10,
    )
    assert leep_score(np.full((8, 4), 0.25), LABELS) == pytest.approx(-entropy(LABELS))


def test_a_source_that_is_certain_of_another_class_for_each_sample_scores_0_for_every_task() -> None:
    assert leep(np.eye(8), LABELS) == leep(np.eye(8), LABELS[::-1]) == 0.0


def test_one_class_is_refused_since_every_source_would_score_0() -> None:
    refusal = leep_score(np.full((8, 2), 0.5), np.zeros(8, int))
    assert refusal == Refusal("8 samples of one class: there is nothing to tell apart")


def test_the_chance_level_of_no_knowledge_is_minus_the_entropy_of_the_labels() -> None:
    assert leep_chance(np.full((8, 2), 0.5), LABELS, seed=0) == pytest.approx(-entropy(LABELS))


def test_the_chance_level_of_certain_predictions_is_what_a_table_of_counts_fits_to_noise() -> None:
    """By the likelihood ratio, (K - 1)(Z - 1)/2n nats above minus the entropy."""
    source, labels = np.arange(600) % 6, np.arange(600) // 6 % 5
    found = leep_chance(np.eye(6)[source], labels, seed=0)
    assert found == pytest.approx(-np.log(5) + 4 * 5 / 1200, rel=0.003)


def test_chance_favours_sources_of_many_classes() -> None:
    labels = np.arange(200) % 4
    few, many = (
        leep_chance(np.random.default_rng(0).dirichlet(np.full(classes, 0.1), size=200), labels, seed=0)
        for classes in (2, 40)
    )
    assert few < many < 0.0
