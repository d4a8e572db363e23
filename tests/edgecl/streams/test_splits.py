from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.streams.splits import (
    balanced_subset,
    few_of_each_class,
    proportional_subset,
    split_by_class,
)

SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(2, 30), min_size=2)
SEEDS = st.integers(0, 2**32)


@st.composite
def labels(draw: st.DrawFn) -> list[str]:
    sizes = draw(SIZES)
    return draw(st.permutations([label for label, size in sizes.items() for _ in range(size)]))


def counts(chosen: tuple[int, ...], labels: list[str]) -> Counter[str]:
    return Counter(labels[i] for i in chosen)


@given(labels(), st.floats(0.01, 0.99), SEEDS)
def test_a_split_covers_all_items_once(labels: list[str], fraction: float, seed: int) -> None:
    train, test = split_by_class(labels, test_fraction=fraction, seed=seed)
    assert sorted(train + test) == list(range(len(labels)))


@given(labels(), st.floats(0.01, 0.99), SEEDS)
def test_a_split_gives_each_class_its_share(labels: list[str], fraction: float, seed: int) -> None:
    train, test = split_by_class(labels, test_fraction=fraction, seed=seed)
    kept, held_out = counts(train, labels), counts(test, labels)
    for label, size in Counter(labels).items():
        assert kept[label] >= 1
        assert held_out[label] >= 1
        assert abs(held_out[label] - size * fraction) <= 1


@given(labels(), SEEDS)
def test_the_same_seed_splits_the_same(labels: list[str], seed: int) -> None:
    first = split_by_class(labels, test_fraction=0.3, seed=seed)
    assert split_by_class(labels, test_fraction=0.3, seed=seed) == first


@given(labels(), SEEDS)
def test_a_class_is_split_without_regard_to_the_others(labels: list[str], seed: int) -> None:
    alone = [i for i, label in enumerate(labels) if label == labels[0]]
    _, test = split_by_class(labels, test_fraction=0.3, seed=seed)
    _, test_alone = split_by_class([labels[0]] * len(alone), test_fraction=0.3, seed=seed)
    assert [i for i in test if labels[i] == labels[0]] == [alone[i] for i in test_alone]


def test_another_seed_splits_otherwise() -> None:
    labels = ["a"] * 50 + ["b"] * 50
    assert split_by_class(labels, test_fraction=0.5, seed=0) != split_by_class(
        labels, test_fraction=0.5, seed=1
    )


def test_a_selection_never_changes_between_versions() -> None:
    train, test = split_by_class(["a", "b"] * 6, test_fraction=0.34, seed=7)
    assert (train, test) == ((1, 2, 3, 4, 6, 7, 10, 11), (0, 5, 8, 9))
    assert balanced_subset(["a", "b"] * 6, count=5, seed=7) == (1, 2, 4, 6, 9)


def test_a_class_of_one_item_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="class 'b' has a single item"):
        split_by_class(["a", "a", "b"], test_fraction=0.5, seed=0)


@given(labels(), st.integers(1, 200), SEEDS)
def test_a_balanced_subset_is_as_even_as_the_classes_allow(labels: list[str], count: int, seed: int) -> None:
    taken = counts(balanced_subset(labels, count=count, seed=seed), labels)
    sizes = Counter(labels)
    assert sum(taken.values()) == min(count, len(labels))
    most = max(taken.values())
    assert all(taken[label] >= min(sizes[label], most - 1) for label in sizes)


@given(labels(), st.integers(1, 100), st.integers(0, 50), SEEDS)
def test_a_larger_balanced_subset_contains_the_smaller(
    labels: list[str], count: int, more: int, seed: int
) -> None:
    small = balanced_subset(labels, count=count, seed=seed)
    assert set(small) <= set(balanced_subset(labels, count=count + more, seed=seed))


@given(labels(), st.integers(1, 40), SEEDS)
def test_few_of_each_class_are_what_is_asked_for_or_all(labels: list[str], count: int, seed: int) -> None:
    taken = counts(few_of_each_class(labels, count=count, seed=seed), labels)
    assert taken == {label: min(count, size) for label, size in Counter(labels).items()}


@given(st.integers(1, 10), SEEDS)
def test_few_of_large_classes_are_the_balanced_subset_of_as_many(count: int, seed: int) -> None:
    labels = [*"aab" * 10]
    few = few_of_each_class(labels, count=count, seed=seed)
    assert few == balanced_subset(labels, count=2 * count, seed=seed)


@given(labels(), st.integers(6, 200), SEEDS)
def test_a_proportional_subset_keeps_every_class_and_its_share(
    labels: list[str], count: int, seed: int
) -> None:
    taken = counts(proportional_subset(labels, count=count, seed=seed), labels)
    sizes = Counter(labels)
    assert sum(taken.values()) == min(count, len(labels))
    for label, size in sizes.items():
        share = min(count, len(labels)) * size / len(labels)
        assert 1 <= taken[label] <= size
        assert abs(taken[label] - share) <= len(sizes)


@given(labels(), SEEDS)
def test_a_subset_of_everything_is_everything(labels: list[str], seed: int) -> None:
    everything = tuple(range(len(labels)))
    assert balanced_subset(labels, count=10_000, seed=seed) == everything
    assert proportional_subset(labels, count=len(labels), seed=seed) == everything


def test_a_proportional_subset_smaller_than_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="1 items for 2 classes"):
        proportional_subset(["a", "b"], count=1, seed=0)
