from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.errors import ConfigError, DataError
from edgecl.similarity import Comparison, Refusal, Similarity, compare, compare_predictions, task_distances
from edgecl.similarity.comparison import _compared, kendall_tau
from tests.edgecl.similarity.factories import make_features, make_similarity, similarity_of

SPECTRUM = 1.0 / np.sqrt(np.arange(1, 13))


def make_sources(*gaps: float, items: int = 200) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return sources whose classes are so far apart, on the same items, and the labels."""
    labels = np.arange(items) % 4
    random = np.random.default_rng(0)
    means = random.normal(size=(4, 12))
    mix = np.linalg.qr(random.normal(size=(12, 12)))[0]
    noise = random.normal(size=(items, 12))
    return {
        f"gap-{gap}": ((noise + gap * means[labels]) * SPECTRUM @ mix).astype(np.float32) for gap in gaps
    }, labels


def values_of(comparison: Comparison) -> list[float]:
    """Return the scores in the order of the sources."""
    return [getattr(result, "value", np.nan) for result in comparison.sources.values()]


def test_sources_are_ranked_by_what_they_say_and_the_ranking_is_reliable() -> None:
    comparison = compare(*make_sources(0.2, 0.6, 2.0))
    assert list(comparison.sources) == ["gap-0.2", "gap-0.6", "gap-2.0"]
    assert values_of(comparison) == sorted(values_of(comparison))
    assert (comparison.kendall_tau, comparison.doubts, comparison.reliable) == (1.0, (), True)


def test_a_source_scores_as_it_does_alone() -> None:
    sources, labels = make_sources(0.6, 2.0)
    assert compare(sources, labels).sources["gap-0.6"] == similarity_of(sources["gap-0.6"], labels)


def test_sources_of_the_same_worth_are_not_reliable() -> None:
    labels = np.arange(200) % 4
    sources = {str(seed): make_features(items=200, gap=0.0, seed=seed)[0] for seed in range(4)}
    comparison = compare(sources, labels)
    assert not comparison.reliable
    assert "no more than 2 times" in comparison.doubts[0]


def test_one_source_alone_is_not_reliable() -> None:
    comparison = compare(*make_sources(1.0))
    assert (comparison.doubts, comparison.spread) == (("one source alone has no rank",), 0.0)


def pair_of(*gains: float) -> dict[str, Similarity | Refusal]:
    """Return two sources; the second is better by these on the subsamples, and by their mean altogether."""
    first = make_similarity(0.0, replicates=tuple(5.0 * place for place in range(len(gains))))
    replicates = tuple(np.add(first.replicates, gains))
    return {"a": first, "b": make_similarity(float(np.mean(gains)), replicates=replicates)}


def test_the_error_is_that_of_the_difference_so_that_what_all_subsamples_do_to_both_cancels() -> None:
    comparison = _compared(pair_of(0.5, 1.5), "h_lwc")  # twice the deviation of 0.5, by their widening of 2
    assert comparison.spread == pytest.approx(1.0 / 2**0.5)
    assert comparison.spread_error == pytest.approx(1.0 / 2**0.5)


@pytest.mark.parametrize(("gains", "reliable"), [((3.0, 5.0), False), ((3.0, 4.99), True)])
def test_a_spread_of_twice_what_chance_gives_is_not_enough(
    gains: tuple[float, float], reliable: bool
) -> None:
    assert _compared(pair_of(*gains), "h_lwc").reliable is reliable


@pytest.mark.parametrize(("checks", "reliable"), [((1, 2, 3, 4), True), ((2, 1, 4, 3), False)])
def test_the_cross_check_must_rank_alike(checks: tuple[float, ...], reliable: bool) -> None:
    similarities = {
        str(place): make_similarity(float(place), cross_check=float(check))
        for place, check in enumerate(checks)
    }
    comparison = _compared(similarities, "h_lwc")
    assert comparison.reliable is reliable
    assert comparison.kendall_tau == pytest.approx(1.0 if reliable else 1.0 / 3.0)


def test_an_unknown_error_is_never_reliable() -> None:
    pair = {name: make_similarity(value, widening=np.inf) for name, value in (("a", 0.0), ("b", 99.0))}
    assert not _compared(pair, "h_lwc").reliable


def test_one_unknown_error_among_known_ones_is_not_reliable_either() -> None:
    unknown = make_similarity(99.0, replicates=(), widening=np.inf)
    assert not _compared({"a": make_similarity(0.0), "b": unknown}, "h_raw").reliable


def test_the_published_distances_need_the_raw_scores_alone() -> None:
    random = np.random.default_rng(0)
    sources = {name: random.normal(size=(27, 24)) for name in "ab"}
    comparison = compare(sources, np.arange(27) % 3, method="h_raw")
    assert not comparison.reliable
    found = task_distances(replace(comparison, doubts=()), normalization="ahp_ratio")
    assert found == pytest.approx(np.exp(-np.divide(values_of(comparison), sum(values_of(comparison)))))


def test_a_source_without_a_number_makes_the_ranking_unreliable() -> None:
    sources, labels = make_sources(0.2, 2.0, items=13)
    narrow = {"narrow": sources["gap-0.2"][:, :2], "wide": sources["gap-2.0"]}
    comparison = compare(narrow, labels, method="h_raw")
    assert isinstance(comparison.sources["wide"], Refusal)
    assert comparison.doubts == ("no number for wide",)


def test_too_few_items_give_no_number_for_any_source() -> None:
    comparison = compare({"a": np.zeros((3, 2)), "b": np.ones((3, 2))}, np.arange(3))
    assert [type(result) for result in comparison.sources.values()] == [Refusal, Refusal]


def test_of_many_items_the_same_sample_is_used_for_all_sources() -> None:
    sources, labels = make_sources(0.2, 0.6, items=1600)
    comparison = compare(sources, labels, seed=1)
    assert [getattr(result, "n", 0) for result in comparison.sources.values()] == [1000, 1000]
    assert compare(sources, labels, seed=1) == comparison


def test_the_caller_is_told_about_each_source() -> None:
    told: list[tuple[str, Any]] = []
    comparison = compare(*make_sources(0.2, 0.6), on_source=lambda *source: told.append(source))
    assert dict(told) == comparison.sources


def test_the_source_that_is_broken_is_named() -> None:
    sources, labels = make_sources(0.2, 0.6)
    sources["gap-0.6"][0, 0] = np.nan
    with pytest.raises(DataError, match="source 'gap-0.6': found NaN or infinity"):
        compare(sources, labels)


def test_no_source_and_an_unknown_method_are_refused() -> None:
    sources, labels = make_sources(0.2)
    with pytest.raises(DataError, match="sources: found none"):
        compare({}, labels)
    with pytest.raises(ConfigError, match="found 'best'"):
        compare(sources, labels, method="best")  # type: ignore[arg-type]  # what a caller without types may do


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=8, unique=True))
def test_kendalls_tau_is_1_for_the_same_order_and_minus_1_for_the_reverse(values: list[int]) -> None:
    assert kendall_tau(values, [2.0 * value + 1 for value in values]) == pytest.approx(1.0)
    assert kendall_tau(values, [-value for value in values]) == pytest.approx(-1.0)


def test_kendalls_tau_counts_pairs() -> None:
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4.0 / 6.0)
    assert kendall_tau([1, 2, 3], [5, 5, 6]) == pytest.approx(2.0 / 3.0)
    assert kendall_tau([1], [1]) == 0.0


def make_predictions(*certainties: float, items: int = 200) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return sources of 4 classes that say the class of an item with such certainty, and the labels."""
    labels = np.arange(items) % 4
    noise = np.random.default_rng(0).dirichlet(np.full(4, 2.0), size=items)
    return {
        f"certain-{each}": each * np.eye(4)[labels] + (1.0 - each) * noise for each in certainties
    }, labels


def test_logme_ranks_sources_and_is_checked_by_the_corrected_score() -> None:
    sources, labels = make_sources(0.2, 0.6, 2.0)
    comparison = compare(sources, labels, method="logme")
    assert values_of(comparison) == sorted(values_of(comparison))
    assert (comparison.kendall_tau, comparison.reliable) == (1.0, True)
    checks = [getattr(result, "cross_check", np.nan) for result in comparison.sources.values()]
    assert checks == values_of(compare(sources, labels))


def test_predictions_are_ranked_without_a_verdict_on_the_ranking() -> None:
    comparison = compare_predictions(*make_predictions(0.0, 0.3, 0.6))
    assert values_of(comparison) == sorted(values_of(comparison))
    assert (comparison.kendall_tau, comparison.reliable) == (None, False)
    assert comparison.doubts == ("leep has no second score that could confirm the ranking",)


def test_predictions_of_the_same_worth_are_doubted_besides() -> None:
    sources, labels = make_predictions(0.3)
    comparison = compare_predictions({"one": sources["certain-0.3"], "other": sources["certain-0.3"]}, labels)
    assert "no more than 2 times" in comparison.doubts[0]
    assert len(comparison.doubts) == 2


def test_sources_of_predictions_may_have_classes_of_their_own() -> None:
    sources, labels = make_predictions(0.6, items=40)
    wide = np.random.default_rng(0).dirichlet(np.ones(40), size=40)
    comparison = compare_predictions({**sources, "wide": wide}, labels)
    assert isinstance(comparison.sources["wide"], Refusal)
    assert comparison.doubts == ("no number for wide",)


def test_of_many_items_the_same_sample_of_predictions_is_used_for_all_sources() -> None:
    told: list[str] = []
    sources, labels = make_predictions(0.2, 0.6, items=1600)
    comparison = compare_predictions(sources, labels, on_source=lambda name, _: told.append(name))
    assert [getattr(result, "n", 0) for result in comparison.sources.values()] == [1000, 1000]
    assert told == list(sources)


def test_the_source_whose_predictions_are_broken_is_named() -> None:
    sources, labels = make_predictions(0.2, 0.6)
    sources["certain-0.6"] *= 2.0
    with pytest.raises(DataError, match="source 'certain-0.6': found rows that are no distributions"):
        compare_predictions(sources, labels)
    with pytest.raises(DataError, match="sources: found none"):
        compare_predictions({}, labels)
