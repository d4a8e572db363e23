from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.errors import DataError
from edgecl.similarity import leep, log_evidence
from tests.edgecl.similarity.factories import make_features, spectrum_of

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2])


def dense_log_evidence(columns: np.ndarray, target: np.ndarray, alpha: float, beta: float) -> float:
    """Return log N(target; 0, I/beta + F F^T/alpha) per item."""
    n = len(target)
    covariance = np.eye(n) / beta + columns @ columns.T / alpha
    log_determinant = np.linalg.slogdet(covariance)[1]
    quadratic = target @ np.linalg.solve(covariance, target)
    return float(-0.5 * (n * np.log(2 * np.pi) + log_determinant + quadratic) / n)


def entropy(labels: np.ndarray) -> float:
    """Return the entropy of labels, nats."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize("gap", [0.0, 1.0, 10.0])
def test_logme_is_the_dense_log_evidence_at_its_precisions(gap: float) -> None:
    features, labels = make_features(items=20, width=5, classes=3, gap=gap)
    columns = (features - features.mean(axis=0)) / features.std(axis=0)
    found = log_evidence(spectrum_of(features, labels))
    targets = np.eye(3)[labels] - np.eye(3)[labels].mean(axis=0)
    expected = [dense_log_evidence(columns, targets[:, k], found.alpha[k], found.beta[k]) for k in range(3)]
    assert found.value == pytest.approx(np.mean(expected), abs=1e-8)


def test_the_precisions_are_where_the_evidence_is_largest() -> None:
    features, labels = make_features(items=40, width=5, classes=2)
    columns = (features - features.mean(axis=0)) / features.std(axis=0)
    found = log_evidence(spectrum_of(features, labels))
    for alpha, beta in ((0.9, 1.0), (1.1, 1.0), (1.0, 0.9), (1.0, 1.1)):
        target = (labels == 1) - 0.5
        near = dense_log_evidence(columns, target, alpha * found.alpha[1], beta * found.beta[1])
        assert near < found.value


def test_logme_is_higher_where_classes_are_further_apart() -> None:
    values = [log_evidence(spectrum_of(*make_features(gap=gap))).value for gap in (0.0, 0.5, 2.0)]
    assert values == sorted(values)


@pytest.mark.parametrize(("items", "width"), [(8, 60), (8, 1)])
def test_logme_is_finite_where_precisions_would_run_away(items: int, width: int) -> None:
    labels = np.arange(items) % 4
    found = log_evidence(spectrum_of(make_features(items=items, width=width, gap=0.0)[0], labels))
    assert np.isfinite([found.value, *found.alpha, *found.beta]).all()


def test_logme_needs_two_classes() -> None:
    with pytest.raises(DataError, match="found 1 class, expected two or more"):
        log_evidence(spectrum_of(make_features()[0], np.zeros(60, int)))


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
