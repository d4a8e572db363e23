from __future__ import annotations

import numpy as np
import pytest

from edgecl.similarity.coding_rate import transrate, transrate_chance, transrate_score
from edgecl.similarity.refusal import Refusal
from tests.edgecl.similarity.factories import make_features, spectrum_of


def rate(columns: np.ndarray) -> float:
    """Return log det(I + F^T F / (n 1e-4)) / 2, written out."""
    covariance = columns.T @ columns / len(columns)
    return 0.5 * float(np.log(np.linalg.det(np.eye(columns.shape[1]) + covariance / 1e-4)))


@pytest.mark.parametrize("items", [60, 24])
def test_transrate_is_the_rate_of_all_items_less_the_mean_rate_of_the_classes(items: int) -> None:
    """With 6 items of a class in 7 columns, too, where the rate is computed from the other Gram matrix."""
    features, labels = make_features(items=items, width=7, classes=4)
    columns = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = rate(columns) - np.mean([rate(columns[labels == label]) for label in range(4)])
    assert transrate(spectrum_of(features, labels)) == pytest.approx(expected, abs=1e-8)


def test_a_class_counts_by_its_share_of_the_items() -> None:
    features, labels = make_features(items=60, classes=4)[0], np.repeat([0, 1], [45, 15])
    columns = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = rate(columns) - 0.75 * rate(columns[:45]) - 0.25 * rate(columns[45:])
    assert transrate(spectrum_of(features, labels)) == pytest.approx(expected, abs=1e-8)


def test_classes_of_the_same_rows_have_a_transrate_of_zero() -> None:
    rows, _ = make_features(items=20)
    found = transrate(spectrum_of(np.concatenate((rows, rows)), np.repeat([0, 1], 20)))
    assert found == pytest.approx(0.0, abs=1e-9)


def test_one_class_has_a_transrate_of_zero() -> None:
    assert transrate(spectrum_of(make_features()[0], np.zeros(60, int))) == pytest.approx(0.0, abs=1e-12)


def test_transrate_is_higher_where_classes_are_further_apart() -> None:
    values = [transrate(spectrum_of(*make_features(gap=gap))) for gap in (0.0, 1.0, 4.0)]
    assert values == sorted(values)


def test_transrate_of_noise_is_that_of_permuted_labels() -> None:
    spectrum = spectrum_of(*make_features(items=400, gap=0.0))
    assert transrate(spectrum) == pytest.approx(transrate_chance(spectrum), abs=0.05)
    assert transrate_chance(spectrum) > 0.01


def test_most_of_transrate_is_chance_with_fewer_items_than_the_features_are_wide() -> None:
    spectrum = spectrum_of(*make_features(items=40, width=60, classes=4, gap=1.0))
    assert transrate_chance(spectrum) > 0.5 * transrate(spectrum)


def test_no_more_items_than_the_features_are_wide_have_no_transrate() -> None:
    assert transrate_score(spectrum_of(*make_features(items=60, width=60))) == Refusal(
        "60 samples of 60 features give a transrate that is nearly all chance: it takes 61 samples, or use h_lwc",
        least=61,
    )
    spectrum = spectrum_of(*make_features(items=61, width=60))
    assert transrate_score(spectrum) == transrate(spectrum)
