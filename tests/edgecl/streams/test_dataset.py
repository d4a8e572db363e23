from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecl.errors import DataError
from edgecl.streams import load_task
from tests.edgecl.streams.factories import (
    COUNTS,
    make_folders,
    make_image,
    make_jsonl,
    make_npz,
    make_parts,
    make_rows,
    make_spec,
)


def test_folders_are_split_by_class(tmp_path: Path) -> None:
    task = load_task(make_spec(make_folders(tmp_path), test_fraction=0.5), seed=0)
    assert task.labels == ("crack", "dent")
    assert task.modality == "image"
    assert task.train.targets.tolist() == [0, 0, 0, 1, 1]
    assert task.test.targets.tolist() == [0, 0, 0, 1, 1]
    assert not set(task.train.items) & set(task.test.items)


def test_targets_are_int64_positions_in_sorted_labels(tmp_path: Path) -> None:
    rows = [(f"text {i}", label) for i in range(2) for label in (10, 2, 1)]
    task = load_task(make_spec(make_jsonl(tmp_path / "a.jsonl", rows)), seed=0)
    assert task.labels == ("1", "10", "2")
    assert task.train.targets.dtype == np.int64
    assert sorted(task.train.targets.tolist()) == [0, 1, 2]


def test_a_given_test_part_is_used(tmp_path: Path) -> None:
    data = make_parts(tmp_path, train={"a": 3, "b": 3}, test={"a": 1, "b": 2})
    task = load_task(make_spec(data), seed=0)
    assert (len(task.train), len(task.test)) == (6, 3)
    assert task.test.items[0] == tmp_path / "test" / "a" / "000.png"


def test_a_folder_with_tables_is_a_text_task(tmp_path: Path) -> None:
    make_jsonl(tmp_path / "train.jsonl", make_rows())
    assert load_task(make_spec(tmp_path), seed=0).modality == "text"


def test_arrays_are_images(tmp_path: Path) -> None:
    task = load_task(make_spec(make_npz(tmp_path / "A.NPZ")), seed=0)
    assert (task.modality, task.labels) == ("image", ("0", "1"))


def test_training_items_are_balanced_and_test_items_proportional(tmp_path: Path) -> None:
    make_jsonl(tmp_path / "train.jsonl", make_rows({"a": 40, "b": 10}))
    make_jsonl(tmp_path / "test.jsonl", make_rows({"a": 40, "b": 10}))
    task = load_task(make_spec(tmp_path, train_items=12, test_items=10), seed=0)
    assert np.bincount(task.train.targets).tolist() == [6, 6]
    assert np.bincount(task.test.targets).tolist() == [8, 2]


def test_few_training_items_of_each_class_are_taken(tmp_path: Path) -> None:
    data = make_jsonl(tmp_path / "a.jsonl", make_rows({"a": 40, "b": 10}))
    task = load_task(make_spec(data, train_items_per_class=3), seed=0)
    assert np.bincount(task.train.targets).tolist() == [3, 3]


def test_another_seed_selects_other_items(tmp_path: Path) -> None:
    spec = make_spec(make_jsonl(tmp_path / "a.jsonl", make_rows({"a": 30, "b": 30})), train_items=10)
    first, again, other = (load_task(spec, seed=seed) for seed in (0, 0, 1))
    assert first.train.items == again.train.items
    assert first.train.items != other.train.items
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("key", "part"), [("train_items", "train"), ("train_items_per_class", "train"), ("test_items", "test")]
)
def test_another_seed_draws_other_items_of_a_part_that_was_given(tmp_path: Path, key: str, part: str) -> None:
    for name in ("train", "test"):
        make_jsonl(tmp_path / f"{name}.jsonl", make_rows({"a": 30, "b": 30}))
    spec = make_spec(tmp_path, **{key: 10})
    first, again, other = (getattr(load_task(spec, seed=seed), part).items for seed in (0, 0, 1))
    assert first == again != other


def test_the_order_of_the_file_system_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(make_folders(tmp_path), train_items=4)
    first = load_task(spec, seed=3)
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(listing(path), reverse=True))
    assert load_task(spec, seed=3).train.items == first.train.items


def test_the_fingerprint_survives_a_move_and_new_file_names(tmp_path: Path) -> None:
    before = load_task(make_spec(make_parts(tmp_path / "x", train=COUNTS, test=COUNTS)), seed=0)
    shutil.move(tmp_path / "x", tmp_path / "y")
    file = tmp_path / "y" / "train" / "dent" / "000.png"
    file.rename(file.with_name("zzz.png"))
    assert load_task(make_spec(tmp_path / "y", name="other"), seed=0).fingerprint == before.fingerprint


def test_the_fingerprint_notices_one_changed_file(tmp_path: Path) -> None:
    spec = make_spec(make_folders(tmp_path))
    before = load_task(spec, seed=0)
    make_image(tmp_path / "dent" / "000.png", size=9)
    assert load_task(spec, seed=0).fingerprint != before.fingerprint


def test_the_fingerprint_never_changes_between_versions(tmp_path: Path) -> None:
    task = load_task(make_spec(make_jsonl(tmp_path / "a.jsonl", make_rows())), seed=0)
    assert task.fingerprint == "62137bfb365f6822c2ea55277bfb5c9a3e125421f2e811f8d94cac4c6b836d26"


def test_a_task_of_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found 'only' as the only class, expected two classes or more"):
        load_task(make_spec(make_folders(tmp_path, {"only": 4})), seed=0)


def test_a_class_of_one_item_is_refused_where_a_test_part_must_be_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a single item of 'b', expected two or more of each class"):
        load_task(make_spec(make_folders(tmp_path, {"a": 3, "b": 1})), seed=0)


def test_a_class_without_training_items_is_refused(tmp_path: Path) -> None:
    data = make_parts(tmp_path, train={"a": 1, "b": 1}, test={"a": 1, "b": 1, "c": 1})
    with pytest.raises(
        DataError, match="the classes 'c' in the test part only, expected each class in the training"
    ):
        load_task(make_spec(data), seed=0)


def test_a_class_without_test_items_is_refused(tmp_path: Path) -> None:
    data = make_parts(tmp_path, train={"a": 1, "b": 1}, test={"a": 1})
    with pytest.raises(
        DataError, match="the classes 'b' in the training part only, expected each class in the test"
    ):
        load_task(make_spec(data), seed=0)


@pytest.mark.parametrize("key", ["train_items", "test_items"])
def test_fewer_items_than_classes_are_refused(tmp_path: Path, key: str) -> None:
    spec = make_spec(make_jsonl(tmp_path / "a.jsonl", make_rows()), **{key: 1})
    with pytest.raises(DataError, match=f"{key} = 1 for 2 classes, expected 2 or more"):
        load_task(spec, seed=0)


def test_the_same_content_in_both_parts_is_a_warning_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = make_parts(tmp_path, train={"a": 2, "b": 2}, test={"a": 1, "b": 1})
    shutil.copy(data / "train" / "a" / "000.png", data / "test" / "a" / "copy.png")
    load_task(make_spec(data), seed=0)
    assert "1 of 3 test items are also training items" in caplog.text
    assert "copy.png" in caplog.text


def test_clean_data_are_loaded_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load_task(make_spec(make_folders(tmp_path)), seed=0)
    assert caplog.records == []


def test_data_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be read .No such file or directory"):
        load_task(make_spec(tmp_path / "nowhere"), seed=0)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"a file ending in '.zip', expected a folder"):
        load_task(make_spec(path), seed=0)


def test_an_image_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    spec = make_spec(make_folders(tmp_path))
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"\.png: cannot be read .Permission denied"):
        load_task(spec, seed=0)
