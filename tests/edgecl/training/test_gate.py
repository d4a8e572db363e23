from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.similarity import Similarity
from edgecl.training.gate import (
    PER_CLASS,
    Gain,
    choose_parent,
    fold_hits,
    gains,
    gate_items,
    pooled,
    score_gains,
)

TARGETS = np.arange(12) % 3


def corners(targets: np.ndarray) -> np.ndarray:
    """Return features [N, 3] at the corner of each item's class, a little apart."""
    random = np.random.default_rng(0)
    features: np.ndarray = 10.0 * np.eye(3)[targets] + random.normal(0, 0.1, (len(targets), 3))
    return features


def hits(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the hits where something can be held out."""
    found = fold_hits(features, targets)
    assert found is not None
    return found


def test_separate_classes_are_all_hits() -> None:
    assert hits(corners(TARGETS), TARGETS).all()


def test_an_item_among_those_of_another_class_is_the_only_one_missed() -> None:
    features = corners(TARGETS)
    features[4] = features[5]
    assert np.flatnonzero(~hits(features, TARGETS)).tolist() == [4]


def test_a_class_of_one_item_can_only_be_missed() -> None:
    targets = np.array([0, 0, 0, 1, 1, 1, 2])
    assert hits(corners(targets), targets).tolist() == [True] * 6 + [False]


@pytest.mark.parametrize("targets", [[0, 0, 1, 1], [0, 1, 1], [0, 0, 1, 1, 2]])
def test_two_items_of_a_class_are_enough(targets: list[int]) -> None:
    found = np.array(targets)
    several = np.isin(found, np.flatnonzero(np.bincount(found) > 1))
    assert hits(corners(found), found).tolist() == several.tolist()


def test_with_one_item_of_each_class_nothing_is_known() -> None:
    assert fold_hits(corners(np.arange(3)), np.arange(3)) is None


@given(st.lists(st.integers(0, 4), min_size=2, max_size=80).filter(lambda labels: len(set(labels)) > 1))
def test_the_gate_looks_at_a_few_items_of_every_class(labels: list[int]) -> None:
    targets = np.array(labels)
    rows = gate_items(targets)
    counts = np.bincount(targets)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert (
        np.bincount(targets[rows], minlength=len(counts)).tolist() == np.minimum(counts, PER_CLASS).tolist()
    )


def test_a_gain_is_the_paired_difference_with_its_standard_error() -> None:
    identity, candidate = np.array([1, 0, 0, 1], bool), np.array([1, 1, 0, 1], bool)
    gain = gains(identity, {"a": candidate})["a"]
    assert (gain.points, gain.error) == pytest.approx((25.0, 50.0 / 4**0.5))


def test_no_difference_at_all_is_as_uncertain_as_one_item() -> None:
    same = np.array([1, 0, 0, 1], bool)
    assert gains(same, {"a": same})["a"] == Gain(0.0, 25.0)


def test_gains_of_several_tasks_are_weighted_by_their_certainty() -> None:
    together = pooled([Gain(2.0, 1.0), Gain(10.0, 2.0)])
    assert (together.points, together.error) == pytest.approx(((2.0 + 10.0 / 4) / 1.25, 1.25**-0.5))


def test_without_candidates_a_task_starts_afresh() -> None:
    assert choose_parent({}, margin=1.0, least=0.0, prefer="newest") is None


def test_the_candidate_that_gains_most_is_taken() -> None:
    measured = {"a": Gain(5.0, 1.0), "b": Gain(9.0, 1.0), "c": Gain(5.0, 1.0)}
    assert choose_parent(measured, margin=1.0, least=0.0, prefer="newest") == "b"


@pytest.mark.parametrize(("prefer", "parent"), [("best", "a"), ("newest", "c")])
def test_of_candidates_that_are_alike_the_newest_is_taken_unless_the_best_is_asked_for(
    prefer: Literal["best", "newest"], parent: str
) -> None:
    measured = {"a": Gain(9.0, 2.0), "b": Gain(5.0, 2.0), "c": Gain(7.0, 2.0), "d": Gain(6.0, 9.0)}
    assert choose_parent(measured, margin=1.0, least=0.0, prefer=prefer) == parent


def test_a_newer_candidate_must_pass_the_margin_itself() -> None:
    measured = {"a": Gain(9.0, 5.0), "b": Gain(4.5, 5.0)}
    assert choose_parent(measured, margin=1.0, least=0.0, prefer="newest") == "a"


@pytest.mark.parametrize(("margin", "parent"), [(1.9, "a"), (2.0, None), (0.0, "a")])
def test_a_gain_must_be_above_the_margin(margin: float, parent: str | None) -> None:
    assert choose_parent({"a": Gain(4.0, 2.0)}, margin=margin, least=0.0, prefer="best") == parent


@given(st.dictionaries(st.text(max_size=3), st.floats(-100, 0)), st.floats(0, 5))
def test_a_candidate_that_gains_nothing_is_never_taken(points: dict[str, float], margin: float) -> None:
    measured = {name: Gain(gain, 0.0) for name, gain in points.items()}
    assert choose_parent(measured, margin=margin, least=0.0, prefer="newest") is None


def make_similarity(
    value: float, *, shifts: Sequence[float] = (0.0, 0.2, -0.2), classes: int = 2
) -> Similarity:
    """Return a similarity whose subsamples lie around its value."""
    replicates = tuple(value + shift for shift in shifts)
    return Similarity(
        "h_lwc",
        value,
        cross_check=value,
        chance=0.0,
        alpha=0.1,
        n=50,
        rank=9,
        classes=classes,
        dropped=(),
        replicates=replicates,
        widening=2.0,
    )


def test_a_gain_in_score_has_the_error_of_paired_subsamples() -> None:
    alike = score_gains(make_similarity(1.0), {"a": make_similarity(1.5)})["a"]
    assert (alike.points, alike.error) == pytest.approx((50.0, 0.0))


def test_a_gain_in_score_is_percent_of_the_most_that_the_score_can_be() -> None:
    other = make_similarity(1.5, shifts=(0.0, -0.2, 0.2), classes=11)
    gain = score_gains(make_similarity(1.0, classes=11), {"a": other})["a"]
    assert (gain.points, gain.error) == pytest.approx((5.0, 20 * float(np.std([0.5, 0.1, 0.9]))))


def test_subsamples_that_disagree_make_a_gain_in_score_uncertain() -> None:
    other = make_similarity(1.5, shifts=(0.0, -0.2, 0.2))
    gain = score_gains(make_similarity(1.0), {"a": other})["a"]
    assert gain.error == pytest.approx(200 * float(np.std([0.5, 0.1, 0.9])))


def test_where_nothing_can_be_left_out_there_is_no_gain_in_score() -> None:
    unknown = dataclasses.replace(make_similarity(1.0), widening=math.inf)
    assert score_gains(unknown, {"a": make_similarity(9.0)}) == {}


def test_one_class_is_no_gain_in_score() -> None:
    assert score_gains(make_similarity(0.0, classes=1), {"a": make_similarity(0.0, classes=1)}) == {}
