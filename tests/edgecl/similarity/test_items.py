from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.errors import DataError
from edgecl.similarity.items import UsableItems, check_features, draw_items, draw_subsample, usable_items
from edgecl.similarity.refusal import Refusal
from edgecl.streams.splits import proportional_subset


def usable(labels: list[int]) -> UsableItems:
    items = usable_items(np.array(labels))
    assert isinstance(items, UsableItems)
    return items


def test_classes_with_a_single_sample_are_left_out_and_named() -> None:
    items = usable([7, 3, 7, 9, 3, 7])
    assert items.dropped == (9,)
    assert items.positions.tolist() == [0, 1, 2, 4, 5]
    assert (items.targets.tolist(), items.classes) == ([1, 0, 1, 0, 1], 2)


@pytest.mark.parametrize("labels", [[], [0], [0, 1], [0, 0, 0, 1, 2], list(range(9))])
def test_fewer_than_two_samples_per_class_are_refused(labels: list[int]) -> None:
    refusal = usable_items(np.array(labels, dtype=np.int64))
    assert isinstance(refusal, Refusal)
    assert f"{len(labels)} samples of {len(set(labels))} classes" in refusal.reason


@pytest.mark.parametrize(
    ("items", "classes", "expected"),
    [(900, 10, 900), (3000, 10, 1000), (3000, 30, 1500), (9000, 100, 4000), (9000, 2200, 4400)],
)
def test_a_draw_has_the_size_that_was_agreed(items: int, classes: int, expected: int) -> None:
    assert len(draw_items(np.arange(items) % classes, seed=0)) == expected


def test_a_draw_keeps_the_proportions_of_the_classes() -> None:
    drawn = draw_items(np.repeat([0, 1], [1500, 500]), seed=0)
    assert np.bincount(drawn // 1500).tolist() == [750, 250]


def test_a_class_of_several_items_is_drawn_twice_at_least_and_a_single_item_once() -> None:
    labels = np.repeat([0, 1, 2, 3], [5000, 6000, 4, 1])
    drawn = draw_items(labels, seed=0)
    assert np.bincount(labels[drawn]).tolist() == [454, 543, 2, 1]
    assert usable(labels[drawn].tolist()).dropped == (3,)


def test_a_draw_that_makes_room_for_a_rare_class_keeps_all_else() -> None:
    labels = np.repeat([0, 1, 2], [5000, 6000, 4])
    plain = proportional_subset([str(label) for label in labels], count=1000, seed=0)
    drawn = draw_items(labels, seed=0)
    assert len(drawn) == len(set(drawn)) == 1000
    assert (drawn == np.sort(drawn)).all()
    assert len(set(plain) - set(drawn.tolist())) == 1


def test_a_draw_with_two_items_of_each_class_is_the_plain_one() -> None:
    labels = np.repeat([0, 1, 2], [3000, 900, 40])
    plain = proportional_subset([str(label) for label in labels], count=1000, seed=3)
    assert draw_items(labels, seed=3).tolist() == list(plain)


def test_the_seed_decides_what_is_drawn() -> None:
    labels = np.arange(2000) % 4
    assert np.array_equal(draw_items(labels, seed=1), draw_items(labels, seed=1))
    assert not np.array_equal(draw_items(labels, seed=1), draw_items(labels, seed=2))


def test_a_draw_from_a_draw_is_the_same() -> None:
    labels = np.arange(2000) % 4
    once = draw_items(labels, seed=0)
    assert draw_items(labels[once], seed=0).tolist() == list(range(1000))
    rare = np.repeat([0, 1, 2], [5000, 6000, 4])
    assert draw_items(rare[draw_items(rare, seed=0)], seed=0).tolist() == list(range(1000))


@given(st.lists(st.integers(2, 30), min_size=1, max_size=6), st.integers(0, 2**32))
def test_a_subsample_holds_no_item_twice_and_two_of_each_class(counts: list[int], seed: int) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    drawn = draw_subsample(targets, fraction=0.8, random=np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == len(drawn)
    assert np.bincount(targets[drawn]).tolist() == [max(2, int(0.8 * count + 0.5)) for count in counts]


@pytest.mark.parametrize(
    ("features", "labels", "said"),
    [
        (np.zeros(4), np.zeros(4, int), r"features \[4\] float64"),
        (np.zeros((4, 2)), np.zeros(3, int), r"labels \[3\] int64"),
        (np.zeros((4, 2), int), np.zeros(4, int), "expected a float type and integers"),
        (np.zeros((4, 2)), np.zeros(4), "expected a float type and integers"),
        (np.array([[0.0], [np.nan], [np.inf]]), np.zeros(3, int), "NaN or infinity in 2 of 3 rows"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(
    features: np.ndarray, labels: np.ndarray, said: str
) -> None:
    with pytest.raises(DataError, match=f"^source 'signs': .*{said}"):
        check_features(features, labels, where="source 'signs'")
