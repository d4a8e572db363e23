from __future__ import annotations

import numpy as np
import pytest

from edgecl.similarity.leave_one_out import h_loo, mean_alone, r_squared
from tests.edgecl.similarity.factories import make_features, spectrum_of


def refitted_r_squared(features: np.ndarray, targets: np.ndarray, penalty: float) -> float:
    """Return the same from one ridge regression per item left out, on orthonormal contrasts."""
    columns = (features - features.mean(axis=0)) / features.std(axis=0)
    indicator = np.eye(targets.max() + 1)[targets]
    contrasts = np.linalg.svd(indicator - indicator.mean(axis=0), full_matrices=False)[0]
    contrasts = contrasts[:, : targets.max()]
    errors = 0.0
    for item in range(len(targets)):
        kept = np.arange(len(targets)) != item
        shift, level = columns[kept].mean(axis=0), contrasts[kept].mean(axis=0)
        inside = columns[kept] - shift
        gram = inside.T @ inside + penalty * np.eye(columns.shape[1])
        weights = np.linalg.solve(gram, inside.T @ (contrasts[kept] - level))
        errors += np.square(contrasts[item] - level - (columns[item] - shift) @ weights).sum()
    return float(targets.max() - errors)


@pytest.mark.parametrize("penalty", [0.01, 10.0, 1e5])
def test_the_closed_form_is_what_leaving_each_item_out_gives(penalty: float) -> None:
    features, labels = make_features(items=30)
    found = r_squared(spectrum_of(features, labels), penalty=penalty)
    assert found == pytest.approx(refitted_r_squared(features, labels, penalty), abs=1e-9)


def test_classes_of_different_size_are_weighted_alike() -> None:
    features, labels = make_features(items=30)
    labels = np.where(labels == 3, 0, labels)
    found = r_squared(spectrum_of(features, labels), penalty=2.0)
    assert found == pytest.approx(refitted_r_squared(features, labels, 2.0), abs=1e-9)


def test_features_that_are_the_classes_score_almost_k_minus_1() -> None:
    labels = np.arange(40) % 5
    assert 3.99 < h_loo(spectrum_of(np.eye(5)[labels], labels)) <= 4.0


def test_a_constant_feature_scores_as_the_mean_alone() -> None:
    spectrum = spectrum_of(np.ones((200, 3)), np.arange(200) % 10)
    assert h_loo(spectrum) == mean_alone(spectrum) == pytest.approx(9 * (1 - (200 / 199) ** 2))


def test_noise_in_many_dimensions_scores_no_more_than_the_mean() -> None:
    spectrum = spectrum_of(*make_features(items=200, width=768, classes=10, gap=0.0))
    assert h_loo(spectrum) == pytest.approx(-0.09, abs=0.03)
