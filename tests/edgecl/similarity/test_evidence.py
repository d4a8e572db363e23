from __future__ import annotations

import numpy as np
import pytest

from edgecl.errors import DataError
from edgecl.similarity import Refusal, log_evidence
from edgecl.similarity.evidence import evidence_alone, logme
from tests.edgecl.similarity.factories import make_features, spectrum_of


def dense_log_evidence(columns: np.ndarray, target: np.ndarray, alpha: float, beta: float) -> float:
    """Return log N(target; 0, I/beta + F F^T/alpha) per item."""
    n = len(target)
    covariance = np.eye(n) / beta + columns @ columns.T / alpha
    log_determinant = np.linalg.slogdet(covariance)[1]
    quadratic = target @ np.linalg.solve(covariance, target)
    return float(-0.5 * (n * np.log(2 * np.pi) + log_determinant + quadratic) / n)


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


def test_logme_of_features_that_say_nothing_is_the_evidence_of_the_shares_of_the_classes() -> None:
    """Of labels of variance v = p (1 - p) alone: -(log 2 pi v + 1)/2, for shares of 1/4 and 3/4 the same."""
    spectrum = spectrum_of(np.ones((8, 2)), np.array([0, 0, 1, 1, 1, 1, 1, 1]))
    expected = -0.5 * (np.log(2 * np.pi * 3 / 16) + 1)
    assert evidence_alone(spectrum) == pytest.approx(expected)
    assert log_evidence(spectrum).value == pytest.approx(expected)


def test_logme_of_noise_is_that_of_features_that_say_nothing() -> None:
    spectrum = spectrum_of(*make_features(items=2000, gap=0.0))
    assert logme(spectrum) == pytest.approx(evidence_alone(spectrum), abs=1e-2)


def test_logme_of_features_that_leave_no_noise_is_refused() -> None:
    refusal = logme(spectrum_of(*make_features(items=20, width=50)))
    assert isinstance(refusal, Refusal)
    assert refusal.reason.startswith("20 samples of 50 features fit a class without noise")


def test_logme_of_one_class_is_refused() -> None:
    refusal = logme(spectrum_of(make_features()[0], np.zeros(60, int)))
    assert refusal == Refusal("60 samples of one class: there is nothing to tell apart")
