from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edgecl.errors import ConfigError, DataError
from edgecl.similarity import FeatureMethod, Refusal, Similarity, estimate, estimate_predictions, leep
from edgecl.similarity.evidence import evidence_alone, logme
from edgecl.similarity.hscore import h_lwc, h_raw, shrinkage
from edgecl.similarity.leave_one_out import h_loo
from edgecl.similarity.methods import FEATURE_METHODS
from tests.edgecl.similarity.factories import make_features, similarity_of, spectrum_of


def test_the_value_is_the_corrected_score_with_leave_one_out_beside_it() -> None:
    features, labels = make_features()
    spectrum = spectrum_of(features, labels)
    similarity = similarity_of(features, labels)
    assert (similarity.method, similarity.value, similarity.cross_check) == (
        "h_lwc",
        h_lwc(spectrum),
        h_loo(spectrum),
    )
    assert (similarity.n, similarity.rank, similarity.classes) == (60, 7, 4)
    assert (similarity.alpha, similarity.chance, similarity.dropped) == (shrinkage(spectrum), 0.0, ())


def test_the_evidence_is_checked_against_the_corrected_score_and_held_against_the_shares() -> None:
    features, labels = make_features()
    spectrum, similarity = spectrum_of(features, labels), similarity_of(features, labels, method="logme")
    assert (similarity.value, similarity.cross_check) == (logme(spectrum), h_lwc(spectrum))
    assert similarity.chance == evidence_alone(spectrum)


def test_leave_one_out_is_checked_against_the_corrected_score() -> None:
    features, labels = make_features()
    assert similarity_of(features, labels, method="h_loo").cross_check == h_lwc(spectrum_of(features, labels))


@pytest.mark.parametrize("method", FEATURE_METHODS)
def test_every_method_gives_a_number_with_an_error(method: FeatureMethod) -> None:
    similarity = similarity_of(*make_features(), method=method)
    assert similarity.method == method
    assert 0.0 < similarity.standard_error < 1.0
    assert len(similarity.replicates) == 20


def test_the_same_seed_gives_the_same_answer_and_another_one_other_subsamples() -> None:
    features, labels = make_features()
    assert estimate(features, labels, seed=3) == estimate(features, labels, seed=3)
    assert similarity_of(features, labels, seed=4).replicates != similarity_of(features, labels).replicates


def test_the_standard_error_is_how_far_new_samples_scatter() -> None:
    features, labels = make_features(items=6000)
    samples = [similarity_of(part, labels[:200]) for part in features.reshape(30, 200, 7)]
    scatter = np.std([each.value for each in samples])
    assert np.mean([each.standard_error for each in samples]) == pytest.approx(scatter, rel=0.35)


def test_classes_with_a_single_sample_are_named_and_change_nothing() -> None:
    features, labels = make_features()
    more = similarity_of(np.vstack([features[:1] + 9.0, features]), np.append([11], labels))
    plain = similarity_of(features, labels)
    assert more.dropped == (11,)
    assert (more.value, more.replicates) == (plain.value, plain.replicates)


def test_two_samples_of_each_class_have_a_value_and_no_error() -> None:
    similarity = similarity_of(*make_features(items=8, width=3))
    assert math.isfinite(similarity.value)
    assert similarity.standard_error == math.inf


def test_too_few_samples_give_no_number() -> None:
    refusal = estimate(np.zeros((5, 3)), np.array([0, 0, 0, 1, 2]))
    assert isinstance(refusal, Refusal)
    assert "5 samples of 3 classes" in refusal.reason


@pytest.mark.parametrize("method", ["h_raw", "h_adj"])
def test_fewer_samples_than_dimensions_give_no_number_without_shrinkage(method: FeatureMethod) -> None:
    refusal = estimate(*make_features(items=40, width=50), method=method)
    assert isinstance(refusal, Refusal)
    assert f"the same {method} for every task" in refusal.reason


def test_a_score_that_subsamples_cannot_have_has_no_error_and_is_not_given() -> None:
    refusal = estimate(*make_features(items=56, width=50), method="h_adj")
    assert isinstance(refusal, Refusal)
    assert refusal.reason.startswith("no standard error: of the subsamples, 44 samples of 50 features")


@pytest.mark.parametrize("items", [20, 30, 33])
def test_a_refusal_names_how_many_samples_are_enough(items: int) -> None:
    refusal = estimate(*make_features(items=items, width=24), method="h_adj")
    assert isinstance(refusal, Refusal)
    assert refusal.reason.endswith("For the standard error, from subsamples of 80 %, 35 are enough")
    assert similarity_of(*make_features(items=35, width=24), method="h_adj").standard_error > 0.0


def test_the_raw_score_is_given_without_an_error_where_only_its_subsamples_are_too_few() -> None:
    features, labels = make_features(items=27, width=24, classes=3)
    similarity = similarity_of(features, labels, method="h_raw")
    assert similarity.value == pytest.approx(h_raw(spectrum_of(features, labels)))
    assert (similarity.replicates, similarity.standard_error) == ((), math.inf)


def test_features_that_are_not_finite_are_an_error() -> None:
    features, labels = make_features()
    features[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN or infinity in 1 of 60 rows"):
        estimate(features, labels)


@pytest.mark.parametrize(
    "options",
    [{"method": "pillai"}, {"method": "leep"}, {"subsamples": 1}, {"fraction": 0.0}, {"fraction": 1.0}],
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        estimate(*make_features(), **options)


def make_predictions(labels: np.ndarray, *, classes: int = 3) -> np.ndarray:
    """Return the predictions of a source that knows a little about labels, [n, classes]."""
    scores = np.random.default_rng(0).normal(size=(len(labels), classes)) + np.eye(4)[labels][:, :classes]
    powers = np.exp(scores)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def predicted(labels: np.ndarray, **options: Any) -> Similarity:
    similarity = estimate_predictions(make_predictions(labels), labels, **options)
    assert isinstance(similarity, Similarity)
    return similarity


def test_predictions_have_a_value_an_error_and_a_chance_level() -> None:
    labels = np.arange(400) % 4
    similarity = predicted(labels)
    assert (similarity.method, similarity.value) == ("leep", leep(make_predictions(labels), labels))
    assert -math.log(4) < similarity.chance < similarity.value - 2 * similarity.standard_error
    assert (similarity.n, similarity.classes, len(similarity.replicates)) == (400, 4, 20)


def test_predictions_show_neither_components_nor_a_second_score() -> None:
    similarity = predicted(np.arange(60) % 4)
    assert (similarity.cross_check, similarity.alpha, similarity.rank) == (None, None, None)


def test_the_error_of_predictions_is_how_far_new_samples_scatter() -> None:
    labels = np.arange(6000) % 4
    samples = make_predictions(labels).reshape(30, 200, 3)
    found = [estimate_predictions(part, labels[:200]) for part in samples]
    scatter = np.std([getattr(each, "value", np.nan) for each in found])
    errors = [getattr(each, "standard_error", np.nan) for each in found]
    assert np.mean(errors) == pytest.approx(scatter, rel=0.35)


def test_the_same_seed_gives_the_same_answer_for_predictions() -> None:
    labels = np.arange(60) % 4
    assert predicted(labels, seed=3) == predicted(labels, seed=3)
    assert predicted(labels, seed=4).replicates != predicted(labels, seed=3).replicates


def test_predictions_for_classes_with_a_single_sample_are_left_out() -> None:
    labels = np.arange(60) % 4
    more = np.append([11], labels)
    rows = np.vstack([[1.0, 0.0, 0.0], make_predictions(labels)])
    similarity = estimate_predictions(rows, more)
    assert isinstance(similarity, Similarity)
    assert (similarity.dropped, similarity.value) == ((11,), predicted(labels).value)


def test_too_few_samples_give_no_number_for_predictions() -> None:
    labels = np.arange(4)
    refusal = estimate_predictions(make_predictions(labels), labels)
    assert isinstance(refusal, Refusal)
    assert "4 samples of 4 classes" in refusal.reason


def test_subsamples_smaller_than_the_head_of_the_source_give_no_error_and_no_number() -> None:
    refusal = estimate_predictions(np.full((40, 17), 1 / 17), np.arange(40) % 4)
    assert isinstance(refusal, Refusal)
    assert refusal.reason.startswith("no standard error: of the subsamples, 32 samples for the 17 classes")
    assert refusal.reason.endswith("For the standard error, from subsamples of 80 %, 45 are enough")


def test_predictions_that_are_no_distributions_are_an_error() -> None:
    with pytest.raises(DataError, match="probabilities: found rows that are no distributions"):
        estimate_predictions(np.ones((40, 2)), np.arange(40) % 4)
