from __future__ import annotations

import numpy as np
import pytest

from edgecl.errors import DataError
from edgecl.similarity import Refusal, feature_spectrum
from tests.edgecl.similarity.factories import TOY, TOY_LABELS, make_features, spectrum_of


def test_components_are_centred_and_orthonormal() -> None:
    spectrum = spectrum_of(*make_features())
    np.testing.assert_allclose(spectrum.left.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(spectrum.left.T @ spectrum.left, np.eye(7), atol=1e-12)


def test_standardised_columns_have_a_covariance_of_trace_d() -> None:
    spectrum = spectrum_of(*make_features())
    assert (spectrum.n, spectrum.classes, spectrum.rank, spectrum.width) == (60, 4, 7, 7)
    assert spectrum.variances.sum() == pytest.approx(7.0)


def test_without_standardising_the_covariance_is_that_of_the_features() -> None:
    features, labels = make_features()
    spectrum = spectrum_of(features, labels, standardize=False)
    expected = np.linalg.eigvalsh(np.cov(features.T, bias=True))[::-1]
    np.testing.assert_allclose(spectrum.variances, expected)


def test_a_share_is_the_variance_between_the_classes() -> None:
    spectrum = spectrum_of(TOY[:, :1], TOY_LABELS)
    assert spectrum.eta_squared == pytest.approx([24.0 / 28.0])


def test_constant_columns_stay_zero() -> None:
    features, labels = make_features()
    constant = np.full((60, 1), 0.1)
    spectrum = spectrum_of(np.hstack([constant, features, 0 * constant, 1e6 * constant]), labels)
    plain = spectrum_of(features, labels)
    assert (spectrum.rank, spectrum.width) == (7, 7)
    np.testing.assert_allclose(spectrum.singular_values, plain.singular_values)


def test_a_column_that_varies_by_rounding_only_is_constant() -> None:
    features, labels = make_features()
    column = (1000.0 + 1e-5 * features[:, :1]).astype(np.float32)
    assert spectrum_of(np.hstack([features.astype(np.float32), column]), labels).width == 7


def test_constant_features_have_no_component() -> None:
    spectrum = spectrum_of(np.ones((6, 3)), TOY_LABELS)
    assert (spectrum.rank, spectrum.width) == (0, 0)


@pytest.mark.parametrize(("dtype", "rank"), [(np.float64, 8), (np.float32, 7)])
def test_the_rank_counts_what_the_source_type_can_tell(dtype: type, rank: int) -> None:
    features, labels = make_features()
    almost = features.sum(axis=1, keepdims=True) + 1e-8 * np.sin(np.arange(60))[:, None]
    assert spectrum_of(np.hstack([features, almost]).astype(dtype), labels).rank == rank


def test_half_precision_keeps_its_components() -> None:
    features, labels = make_features()
    spectrum = spectrum_of(features.astype(np.float16), labels)
    assert (spectrum.rank, spectrum.source) == (7, np.dtype(np.float16))


def test_classes_with_a_single_sample_change_nothing_else() -> None:
    features, labels = make_features()
    more = spectrum_of(np.vstack([features, features[:1] + 9.0]), np.append(labels, 11))
    assert more.dropped == (11,)
    np.testing.assert_array_equal(more.loadings, spectrum_of(features, labels).loadings)


def test_too_few_items_are_refused_with_a_reason() -> None:
    refusal = feature_spectrum(np.ones((3, 2)), np.array([0, 0, 1]))
    assert refusal == Refusal(
        "3 samples of 2 classes say nothing about transfer: it takes 2 per class at least, 4 in all"
    )


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_an_error(broken: float) -> None:
    features, labels = make_features()
    features[3, 2] = broken
    with pytest.raises(DataError, match="NaN or infinity in 1 of 60 rows"):
        feature_spectrum(features, labels)


def test_the_features_given_are_not_changed() -> None:
    features, labels = make_features()
    before = features.copy()
    spectrum_of(features, labels)
    np.testing.assert_array_equal(features, before)
