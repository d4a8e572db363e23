from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf_shrinkage

from edgecl.similarity import Refusal
from edgecl.similarity.hscore import (
    H_SCORES,
    HScore,
    h_adj,
    h_chance,
    h_lw,
    h_lwc,
    h_raw,
    h_score,
    shrinkage,
)
from tests.edgecl.similarity.factories import (
    TOY,
    TOY_LABELS,
    make_features,
    make_invertible,
    spectrum_of,
)

seeds = st.integers(0, 2**32 - 1)


def two_gaussians(delta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 200,000 items of N(-m, S) and N(m, S) in 5 dimensions with m^T S^-1 m = delta."""
    random = np.random.default_rng(0)
    labels = np.arange(200_000) % 2
    white = random.normal(size=(200_000, 5))
    white[:, 0] += np.sqrt(delta) * (2 * labels - 1)
    return white @ make_invertible(5), labels


def pillai(features: np.ndarray, labels: np.ndarray) -> float:
    """Return Pillai's trace from the scatter matrices."""
    classes = np.unique(labels)
    centred = features - features.mean(axis=0)
    means = np.array([centred[labels == each].mean(axis=0) for each in classes])
    counts = np.array([np.count_nonzero(labels == each) for each in classes])
    return float(np.trace(np.linalg.solve(centred.T @ centred, (means.T * counts) @ means)))


def canonical_correlations(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the correlations of features with contrasts of the labels, from two QR decompositions."""
    indicator = np.eye(labels.max() + 1)[labels][:, 1:]
    left, _ = np.linalg.qr(features - features.mean(axis=0))
    right, _ = np.linalg.qr(indicator - indicator.mean(axis=0))
    return np.asarray(np.linalg.svd(left.T @ right, compute_uv=False))


@pytest.mark.parametrize(("delta", "expected"), [(0.25, 0.2), (1.0, 0.5), (4.0, 0.8)])
def test_two_gaussians_score_delta_over_one_plus_delta(delta: float, expected: float) -> None:
    assert h_raw(spectrum_of(*two_gaussians(delta))) == pytest.approx(expected, abs=2e-3)


def test_several_gaussians_score_the_eigenvalues_of_between_against_within() -> None:
    means = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    labels = np.arange(200_000) % 4
    features = means[labels] + np.random.default_rng(0).normal(size=(200_000, 3))
    between = np.linalg.eigvalsh(np.cov(means.T, bias=True))
    assert h_raw(spectrum_of(features, labels)) == pytest.approx((between / (1 + between)).sum(), abs=4e-3)


def test_six_points_score_38_of_43() -> None:
    assert h_raw(spectrum_of(TOY, TOY_LABELS)) == pytest.approx(38.0 / 43.0, abs=1e-12)


def test_features_that_are_the_classes_score_k_minus_1() -> None:
    labels = np.arange(20) % 5
    assert h_raw(spectrum_of(np.eye(5)[labels], labels)) == pytest.approx(4.0)


@pytest.mark.parametrize("method", ["h_raw", "h_adj", "h_lw"])
def test_a_constant_feature_scores_zero(method: HScore) -> None:
    assert h_score(spectrum_of(np.full((6, 2), 3.7), TOY_LABELS), method) == pytest.approx(0.0)


def test_classes_of_the_same_rows_score_zero() -> None:
    rows, _ = make_features(items=9)
    assert h_raw(spectrum_of(np.vstack([rows, rows]), np.repeat([0, 1], 9))) == pytest.approx(0.0, abs=1e-12)


def test_fewer_items_than_dimensions_score_k_minus_1_whatever_the_labels() -> None:
    features, labels = make_features(items=20, width=30, gap=0.0)
    assert h_raw(spectrum_of(features, labels)) == pytest.approx(3.0)


def test_the_raw_score_is_pillais_trace() -> None:
    features, labels = make_features()
    assert h_raw(spectrum_of(features, labels)) == pytest.approx(pillai(features, labels), abs=1e-12)


def test_the_raw_score_is_the_sum_of_squared_canonical_correlations() -> None:
    features, labels = make_features()
    expected = np.square(canonical_correlations(features, labels)).sum()
    assert h_raw(spectrum_of(features, labels)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, standardize=st.booleans())
def test_an_affine_map_does_not_change_the_raw_score(seed: int, standardize: bool) -> None:
    features, labels = make_features(seed=seed)
    mapped = features @ make_invertible(7, seed=seed) + np.arange(7)
    expected = h_raw(spectrum_of(features, labels))
    assert h_raw(spectrum_of(mapped, labels, standardize=standardize)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
@pytest.mark.parametrize("method", H_SCORES)
def test_the_order_of_items_and_the_names_of_classes_do_not_matter(method: HScore, seed: int) -> None:
    features, labels = make_features()
    order = np.random.default_rng(seed).permutation(60)
    names = np.array([17, -3, 5, 0])
    expected = h_score(spectrum_of(features, labels), method)
    assert h_score(spectrum_of(features[order], names[labels[order]]), method) == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(exponent=st.floats(-6.0, 6.0), dtype=st.sampled_from([np.float32, np.float64]))
@pytest.mark.parametrize("method", H_SCORES)
@pytest.mark.parametrize("standardize", [True, False])
def test_the_scale_of_the_features_does_not_matter(
    method: HScore, standardize: bool, exponent: float, dtype: type
) -> None:
    features, labels = make_features()
    scaled = (features * 10.0**exponent).astype(dtype)
    expected = h_score(spectrum_of(features, labels, standardize=standardize), method)
    found = h_score(spectrum_of(scaled, labels, standardize=standardize), method)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("method", H_SCORES)
def test_the_scale_of_each_column_does_not_matter(method: HScore) -> None:
    features, labels = make_features()
    expected = h_score(spectrum_of(features, labels), method)
    assert h_score(spectrum_of(features * np.logspace(-6, 6, 7), labels), method) == pytest.approx(expected)


@pytest.mark.parametrize("method", H_SCORES)
def test_a_column_of_zeros_does_not_matter(method: HScore) -> None:
    features, labels = make_features()
    expected = h_score(spectrum_of(features, labels), method)
    assert h_score(spectrum_of(np.hstack([features, np.zeros((60, 1))]), labels), method) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_that_is_there_twice_does_not_matter_to_the_raw_score(dtype: type) -> None:
    features, labels = make_features()
    twice: np.ndarray = np.hstack([features, features[:, :1]]).astype(dtype)
    assert h_raw(spectrum_of(twice, labels)) == pytest.approx(h_raw(spectrum_of(features, labels)), abs=1e-5)


def test_the_mean_over_all_permutations_is_exactly_the_h_chance() -> None:
    labelings = [np.isin(np.arange(6), chosen).astype(int) for chosen in combinations(range(6), 3)]
    spectra = [spectrum_of(TOY, labels) for labels in labelings]
    assert h_chance(spectra[0], "h_raw") == pytest.approx(2.0 / 5.0)
    assert np.mean([h_raw(each) for each in spectra]) == pytest.approx(2.0 / 5.0, abs=1e-12)
    assert np.mean([h_adj(each) for each in spectra]) == pytest.approx(0.0, abs=1e-12)
    assert np.mean([h_lwc(each) for each in spectra]) == pytest.approx(0.0, abs=1e-12)
    assert np.mean([h_lw(each) for each in spectra]) == pytest.approx(h_chance(spectra[0], "h_lw"))


def test_permuted_labels_score_0_356_for_60_items_of_4_classes_in_7_dimensions() -> None:
    features, labels = make_features()
    random = np.random.default_rng(0)
    spectra = [spectrum_of(features, random.permutation(labels)) for _ in range(500)]
    assert h_chance(spectra[0], "h_raw") == pytest.approx(0.35593, abs=1e-5)
    assert np.mean([h_raw(each) for each in spectra]) == pytest.approx(0.35593, abs=0.02)
    assert np.mean([h_adj(each) for each in spectra]) == pytest.approx(0.0, abs=0.02)
    assert np.mean([h_lwc(each) for each in spectra]) == pytest.approx(0.0, abs=0.02)


def test_no_shrinkage_is_the_raw_score_and_full_shrinkage_is_zero() -> None:
    spectrum = spectrum_of(*make_features())
    assert h_lw(spectrum, alpha=0.0) == pytest.approx(h_raw(spectrum))
    assert h_lw(spectrum, alpha=1.0) == 0.0


@settings(max_examples=50, deadline=None)
@given(
    seed=seeds, alpha=st.floats(0.0, 1.0), width=st.integers(1, 40), gap=st.sampled_from([0.0, 1.0, 100.0])
)
def test_a_shrunk_score_never_exceeds_the_raw_one(seed: int, alpha: float, width: int, gap: float) -> None:
    spectrum = spectrum_of(*make_features(items=24, width=width, gap=gap, seed=seed))
    assert -1e-9 <= h_lw(spectrum, alpha=alpha) <= h_raw(spectrum) + 1e-9
    assert h_raw(spectrum) <= min(spectrum.rank, 3) + 1e-9


@pytest.mark.parametrize(("items", "width"), [(60, 7), (30, 50), (400, 3)])
def test_the_shrinkage_is_that_of_ledoit_and_wolf(items: int, width: int) -> None:
    features, labels = make_features(items=items, width=width)
    spectrum = spectrum_of(features, labels, standardize=False)
    assert shrinkage(spectrum) == pytest.approx(ledoit_wolf_shrinkage(features))


def test_noise_in_many_dimensions_scores_nothing_once_corrected() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 768)) / np.sqrt(np.arange(1, 769))
    spectrum = spectrum_of(features @ np.linalg.qr(random.normal(size=(768, 768)))[0], np.arange(200) % 10)
    assert h_raw(spectrum) == pytest.approx(9.0)
    assert h_lw(spectrum) > 0.1
    assert h_lwc(spectrum) == pytest.approx(0.0, abs=0.1)


def test_a_few_columns_of_large_variance_decide_unless_columns_are_standardised() -> None:
    features, labels = make_features(items=100, width=40, gap=0.5)
    loud = np.hstack([features, 1000.0 * np.random.default_rng(0).normal(size=(100, 2))])
    plain = h_lwc(spectrum_of(features, labels))
    assert h_lwc(spectrum_of(loud, labels)) == pytest.approx(plain, rel=0.2)
    assert h_lwc(spectrum_of(loud, labels, standardize=False)) < 0.2 * plain


@pytest.mark.parametrize("method", H_SCORES)
def test_one_class_scores_zero(method: HScore) -> None:
    features, _ = make_features()
    assert h_score(spectrum_of(features, np.zeros(60, int)), method) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("method", ["h_raw", "h_adj"])
def test_scores_without_shrinkage_need_more_items_than_dimensions(method: HScore) -> None:
    refusal = h_score(spectrum_of(*make_features(items=20, width=30)), method)
    assert isinstance(refusal, Refusal)
    assert "20 samples of 30 features give the same" in refusal.reason


def test_the_adjusted_score_has_no_value_where_nothing_is_left_to_adjust_with() -> None:
    with pytest.raises(ValueError, match="20 items of rank 19"):
        h_adj(spectrum_of(*make_features(items=20, width=30)))


@pytest.mark.parametrize("method", ["h_raw", "h_adj"])
def test_scores_without_shrinkage_are_refused_for_half_precision(method: HScore) -> None:
    features, labels = make_features()
    assert isinstance(h_score(spectrum_of(features.astype(np.float16), labels), method), Refusal)


@pytest.mark.parametrize("method", ["h_lw", "h_lwc", "h_loo"])
def test_scores_with_shrinkage_hardly_change_in_half_precision(method: HScore) -> None:
    features, labels = make_features()
    expected = h_score(spectrum_of(features, labels), method)
    assert h_score(spectrum_of(features.astype(np.float16), labels), method) == pytest.approx(
        expected, abs=0.01
    )
