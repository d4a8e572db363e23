from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecl.errors import DataError
from tests.edgecl.factories import make_text_data
from tests.edgecl.pretraining.factories import (
    CLASSES,
    SIZE,
    encoded,
    make_folder,
    make_images,
    make_pixels,
    make_shard,
    make_shards,
    read_toy,
)


def test_class_folders_become_pixels_and_labels(tmp_path: Path) -> None:
    data = read_toy(make_folder(tmp_path, count=60))
    assert data.classes == CLASSES
    assert data.train.pixels.shape == (54, SIZE, SIZE, 3)
    assert np.bincount(data.validation.labels).tolist() == [2, 2, 2]


def test_a_test_part_is_what_is_validated_on(tmp_path: Path) -> None:
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", count=6)
    data = read_toy(tmp_path)
    assert (len(data.train), len(data.validation)) == (24, 6)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_part_is_what_is_validated_on_where_there_is_no_test(tmp_path: Path, name: str) -> None:
    make_folder(tmp_path / "train")
    make_folder(tmp_path / name, count=6)
    data = read_toy(tmp_path)
    assert (len(data.train), data.classes) == (24, CLASSES)
    assert data.validation.labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(data.validation.pixels, make_pixels(6)[[0, 3, 1, 4, 2, 5]])


def test_where_there_is_a_test_part_it_is_validated_on(tmp_path: Path) -> None:
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "val", count=6)
    make_folder(tmp_path / "test", count=9)
    assert len(read_toy(tmp_path).validation) == 9


def test_classes_named_train_and_val_are_classes(tmp_path: Path) -> None:
    make_folder(tmp_path, count=60)
    (tmp_path / CLASSES[0]).rename(tmp_path / "train")
    (tmp_path / CLASSES[1]).rename(tmp_path / "val")
    assert read_toy(tmp_path).classes == ("red", "train", "val")


def test_a_class_that_is_only_validated_on_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "val", count=6)
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "green")
    with pytest.raises(DataError, match="val: found the classes 'green', which 'train' has not"):
        read_toy(tmp_path)


def test_a_single_class_beside_a_validation_part_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", count=1)
    make_folder(tmp_path / "val", count=1)
    with pytest.raises(DataError, match="train: found 'dark' as the only class"):
        read_toy(tmp_path)


def test_two_validation_parts_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        make_folder(tmp_path / name)
    with pytest.raises(DataError, match="found val, valid beside 'train', expected one validation part"):
        read_toy(tmp_path)


def test_shards_of_a_folder_are_one_set_in_the_order_of_their_names(tmp_path: Path) -> None:
    data = read_toy(make_shards(tmp_path))
    expected = np.concatenate([make_pixels(12), make_pixels(12, seed=1)])
    np.testing.assert_array_equal(data.train.pixels, expected)
    np.testing.assert_array_equal(data.validation.pixels, make_pixels(6, seed=2))
    assert data.classes == CLASSES
    assert data.train.labels.tolist() == [0, 1, 2] * 8


def test_one_shard_with_both_parts_is_enough(tmp_path: Path) -> None:
    split = np.repeat([0, 1], 6)
    data = read_toy(make_shard(tmp_path / "one.npz", split=split))
    assert (len(data.train), len(data.validation)) == (6, 6)


def test_images_are_resized_to_the_student(tmp_path: Path) -> None:
    assert read_toy(make_shards(tmp_path), size=8).train.pixels.shape == (24, 8, 8, 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": None}, "found no split"),
        ({"blob": np.zeros((3, 3), np.uint8)}, "found arrays of several dimensions"),
        ({"label": np.full(12, 3)}, "found 12 labels"),
        ({"split": np.full(12, 2)}, "found 12 labels"),
        ({"offset": np.arange(12)}, "12 offsets"),
        ({"offset": np.arange(13)}, "13 offsets"),
        ({"blob": np.zeros(5, np.uint8)}, "5 bytes"),
        ({"blob": np.zeros(5, np.float32)}, "found blob of float32"),
        ({"label": np.full(12, "a")}, "found label of <U1"),
        ({"label": np.full(12, 1.9)}, "found label of float64"),
        ({"split": np.full(12, 0.4)}, "found split of float64"),
        ({"classes": np.arange(3)}, "found classes of int64"),
        ({"classes": np.array(["a"]), "label": np.zeros(12, int)}, "found 1 class"),
        ({"classes": np.array(["a", "a", "a"])}, "found 1 class"),
    ],
)
def test_a_shard_of_another_layout_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = make_shard(tmp_path / "bad.npz", **changes)
    with pytest.raises(DataError, match=rf"bad.npz: .*{said}.*expected a packed shard.*docs/pretraining.md"):
        read_toy(path)


def test_bytes_that_are_no_shard_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match="bad.npz: found .*expected a packed shard"):
        read_toy(tmp_path)


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    blob, offset = np.zeros(3, np.uint8), np.array([0, 1, 3])
    shard = make_shard(tmp_path / "a.npz", count=2, blob=blob, offset=offset, split=np.array([0, 1]))
    with pytest.raises(DataError, match="a.npz, image 0: found bytes that are no image"):
        read_toy(shard)


def test_an_image_whose_pixels_have_no_known_range_is_named(tmp_path: Path) -> None:
    files = [encoded(make_pixels(1)[0]), encoded(np.zeros((4, 4), np.float32), kind="tiff")]
    blob, offset = np.frombuffer(b"".join(files), np.uint8), np.cumsum([0, *map(len, files)])
    shard = make_shard(tmp_path / "a.npz", count=2, blob=blob, offset=offset, split=np.array([0, 1]))
    with pytest.raises(DataError, match="a.npz, image 1: found an image of float pixels"):
        read_toy(shard)


def test_shards_of_two_sets_are_refused(tmp_path: Path) -> None:
    make_shards(tmp_path)
    make_shard(tmp_path / "zoo.npz", classes=np.array(["ape", "bear", "cat"]))
    with pytest.raises(DataError, match="zoo.npz: found other classes than in toy_train0.npz"):
        read_toy(tmp_path)


@pytest.mark.parametrize(("split", "missing"), [(0, "validation"), (1, "training")])
def test_shards_without_one_of_the_parts_are_refused(tmp_path: Path, split: int, missing: str) -> None:
    with pytest.raises(DataError, match=f"found no {missing} image"):
        read_toy(make_shard(tmp_path / "one.npz", split=np.full(12, split)))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no class folders"):
        read_toy(tmp_path)


def test_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found texts, expected images"):
        read_toy(make_text_data(tmp_path / "texts.jsonl"))


def test_the_digest_changes_with_a_pixel_and_with_a_label() -> None:
    images = make_images()
    digests = {images.digest()}
    images.pixels[0, 0, 0, 0] ^= 1
    digests.add(images.digest())
    images.labels[0] = 2
    assert len(digests | {images.digest()}) == 3
