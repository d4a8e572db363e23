from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.errors import ConfigError, DataError
from edgecl.similarity import Comparison, Method, Refusal, Similarity, task_distances
from edgecl.similarity.distances import Normalization, priority_distances, relative_distances
from tests.edgecl.similarity.factories import make_similarity

NORMALIZATIONS: tuple[Normalization, ...] = ("ahp_ratio", "ahp_winrate", "relative")


def make_comparison(*sources: Similarity | Refusal, doubts: tuple[str, ...] = ()) -> Comparison:
    """Return a comparison of sources named by their place."""
    named = {str(place): source for place, source in enumerate(sources)}
    return Comparison(named, spread=1.0, spread_error=0.1, kendall_tau=1.0, doubts=doubts)


def test_a_distance_counts_robust_deviations_from_the_median() -> None:
    values = np.array([0.0, 1.0, 2.0])
    expected = np.exp([0.5 / (0.1 + 1 / 1.35), 0.0, -0.5 / (0.1 + 1 / 1.35)])
    np.testing.assert_allclose(relative_distances(values, np.full(3, 0.1)), expected)


@given(st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=8))
def test_distances_fall_as_scores_rise_and_stay_within_their_range(values: list[float]) -> None:
    found = relative_distances(np.sort(values), np.full(len(values), 0.1))
    assert (np.diff(found) <= 1e-12).all()
    assert ((found >= 0.25) & (found <= 4.0)).all()


def test_one_far_away_source_is_kept_within_the_range() -> None:
    found = relative_distances(np.array([0.0, 0.0, 0.0, 100.0]), np.full(4, 0.1))
    assert found.tolist() == [1.0, 1.0, 1.0, 0.25]


def test_scores_of_unknown_error_are_all_at_distance_1() -> None:
    assert relative_distances(np.array([0.0, 5.0]), np.full(2, np.inf)).tolist() == [1.0, 1.0]


def test_no_scores_are_refused() -> None:
    with pytest.raises(DataError, match="scores: found none"):
        relative_distances(np.array([]), np.array([]))


def test_a_priority_of_nothing_is_at_distance_1() -> None:
    assert priority_distances(np.array([0.0, 1.0]), steepness=2.0) == pytest.approx([1.0, np.exp(-2.0)])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_source_that_says_more_is_nearer(normalization: Normalization) -> None:
    comparison = make_comparison(make_similarity(1.0), make_similarity(3.0))
    far, near = task_distances(comparison, normalization=normalization)
    assert near < far


@pytest.mark.parametrize("method", ["leep", "logme"])
def test_logarithms_have_no_ratios(method: Method) -> None:
    comparison = make_comparison(make_similarity(-2.0, method=method), make_similarity(-1.0, method=method))
    with pytest.raises(ConfigError, match=f"found ahp_ratio of {method}, a logarithm, expected one of h_adj"):
        task_distances(comparison, normalization="ahp_ratio")


@pytest.mark.parametrize("method", ["h_adj", "h_loo", "h_lw", "h_raw", "transrate"])
def test_scores_with_a_zero_have_ratios(method: Method) -> None:
    comparison = make_comparison(make_similarity(1.0, method=method), make_similarity(3.0, method=method))
    found = task_distances(comparison, normalization="ahp_ratio")
    assert found == pytest.approx(np.exp([-0.25, -0.75]))


@pytest.mark.parametrize("normalization", ["ahp_winrate", "relative"])
def test_all_distances_are_1_where_they_would_need_an_error_that_is_not_known(
    normalization: Normalization,
) -> None:
    unknown = make_similarity(3.0, replicates=(), widening=np.inf)
    found = task_distances(make_comparison(unknown, make_similarity(1.0)), normalization=normalization)
    assert found[0] == 1.0
    assert task_distances(make_comparison(unknown, unknown), normalization=normalization).tolist() == [1, 1]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_all_distances_are_1_where_the_comparison_is_not_reliable(normalization: Normalization) -> None:
    comparison = make_comparison(make_similarity(1.0), Refusal("too few"), doubts=("no number for 1",))
    assert task_distances(comparison, normalization=normalization).tolist() == [1.0, 1.0]


def test_the_share_of_the_sum_is_the_published_priority() -> None:
    comparison = make_comparison(make_similarity(1.0), make_similarity(3.0))
    found = task_distances(comparison, normalization="ahp_ratio")
    assert found == pytest.approx(np.exp([-0.25, -0.75]))


def test_the_tournament_is_played_on_the_subsamples() -> None:
    comparison = make_comparison(
        make_similarity(1.0, replicates=(1.0, 1.0, 2.0, 2.0)), make_similarity(9.0, replicates=(1.0,) * 4)
    )
    found = task_distances(comparison, normalization="ahp_winrate")
    assert found == pytest.approx(np.exp([-0.75, -0.25]))
