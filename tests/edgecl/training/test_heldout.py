from __future__ import annotations

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edgecl.training.heldout import HeldOut, choose

IMAGES = [np.full((4, 4, 3), shade, np.uint8) for shade in range(10)]
TARGETS = np.arange(10, dtype=np.int64)


def test_images_are_read_back() -> None:
    sample = choose(IMAGES, TARGETS, count=3, seed=0)
    again = HeldOut.decode(sample.encode())
    assert np.array_equal(np.stack(again.prepared), np.stack(sample.prepared))
    assert np.array_equal(again.targets, sample.targets)


def test_texts_of_different_lengths_are_read_back() -> None:
    texts = (np.array([2, 7, 3], np.int32), np.array([5], np.int32))
    again = HeldOut.decode(HeldOut(texts, TARGETS[:2]).encode())
    assert [(item.dtype.name, item.tolist()) for item in again.prepared] == [
        ("int32", [2, 7, 3]),
        ("int32", [5]),
    ]


def test_each_item_keeps_its_target() -> None:
    sample = choose(IMAGES, TARGETS, count=4, seed=1)
    assert [int(item[0, 0, 0]) for item in sample.prepared] == sample.targets.tolist()
    assert len(set(sample.targets.tolist())) == 4


def test_the_sample_depends_on_the_seed_alone() -> None:
    first, same, other = (choose(IMAGES, TARGETS, count=5, seed=seed).targets.tolist() for seed in (0, 0, 1))
    assert first == same
    assert first != other


def test_a_small_test_part_is_kept_whole() -> None:
    assert choose(IMAGES, TARGETS, count=99, seed=0).targets.tolist() == list(range(10))


def test_a_file_has_the_three_arrays_that_readers_of_format_1_ask_for() -> None:
    arrays = load(choose(IMAGES, TARGETS, count=3, seed=0).encode())
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "items": ("uint8", (3, 4, 4, 3)),
        "lengths": ("int32", (3,)),
        "targets": ("int64", (3,)),
    }


@pytest.mark.parametrize("length", [0, 8, 60, 200])
def test_a_file_that_was_cut_is_refused(length: int) -> None:
    content = choose(IMAGES, TARGETS, count=3, seed=0).encode()[:length]
    with pytest.raises(SafetensorError):
        HeldOut.decode(content)


@pytest.mark.parametrize("missing", ["items", "lengths", "targets"])
def test_a_file_without_one_of_its_arrays_is_refused(missing: str) -> None:
    arrays = {"items": np.zeros((2, 4)), "lengths": np.array([4, 4]), "targets": TARGETS[:2]}
    del arrays[missing]
    with pytest.raises(KeyError, match=missing):
        HeldOut.decode(save(arrays))


def test_a_file_whose_arrays_do_not_fit_together_is_refused() -> None:
    arrays = {"items": np.zeros((2, 4)), "lengths": np.array([4, 4, 4]), "targets": TARGETS[:2]}
    with pytest.raises(ValueError, match="2 items, 3 lengths, 2 targets"):
        HeldOut.decode(save(arrays))
