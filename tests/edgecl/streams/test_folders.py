from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecl.errors import DataError
from edgecl.streams.folders import read_folders
from tests.edgecl.streams.factories import make_folders, make_image, make_parts


def test_sub_folders_are_classes_and_there_is_no_test_part(tmp_path: Path) -> None:
    source = read_folders(make_folders(tmp_path, {"dent": 1, "crack": 2}), classes=None)
    assert source.train.labels == ("crack", "crack", "dent")
    assert source.train.items[0] == tmp_path / "crack" / "000.png"
    assert source.test is None


def test_train_and_test_folders_are_parts(tmp_path: Path) -> None:
    source = read_folders(make_parts(tmp_path, train={"a": 2, "b": 1}, test={"a": 1, "b": 1}), classes=None)
    assert source.train.labels == ("a", "a", "b")
    assert source.test is not None
    assert source.test.labels == ("a", "b")


def test_a_train_folder_alone_has_no_test_part(tmp_path: Path) -> None:
    make_folders(tmp_path / "train")
    assert read_folders(tmp_path, classes=None).test is None


def test_train_can_be_a_class(tmp_path: Path) -> None:
    source = read_folders(make_folders(tmp_path, {"bus": 1, "train": 1}), classes=None)
    assert source.train.labels == ("bus", "train")


def test_a_validation_part_is_left_out_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_parts(tmp_path, train={"a": 1, "b": 1}, test={"a": 1, "b": 1})
    make_folders(tmp_path / "val", {"a": 1})
    with caplog.at_level(logging.INFO):
        source = read_folders(tmp_path, classes=None)
    assert len(source.train.items) == 2
    assert "the part 'val' is not used" in caplog.text


def test_hidden_and_system_files_are_ignored(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 1, "b": 1, ".git": 1})
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "a" / name).write_bytes(b"")
    assert len(read_folders(tmp_path, classes=None).train.items) == 2


def test_files_beside_the_classes_are_ignored_unless_they_are_images(tmp_path: Path) -> None:
    make_folders(tmp_path)
    (tmp_path / "README.txt").write_text("about", encoding="utf-8")
    assert len(read_folders(tmp_path, classes=None).train.items) == 10
    make_image(tmp_path / "loose.png")
    with pytest.raises(DataError, match=r"images outside a class folder \(loose.png\)"):
        read_folders(tmp_path, classes=None)


def test_only_the_chosen_classes_are_read(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 1, "b": 1, "c": 1, "empty": 0})
    assert read_folders(tmp_path, classes=["c", "a"]).train.labels == ("a", "c")


def test_unknown_classes_are_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class 'dint', expected classes among 'crack', 'dent'"):
        read_folders(make_folders(tmp_path), classes=["crack", "dint"])


def test_empty_class_folders_are_named(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 1, "b": 0, "c": 0})
    with pytest.raises(DataError, match="no images in the class folders 'b', 'c'"):
        read_folders(tmp_path, classes=None)


def test_files_that_are_no_images_are_named_and_counted(tmp_path: Path) -> None:
    make_folders(tmp_path)
    for number in range(7):
        (tmp_path / "dent" / f"note{number}.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"no image \(note0.txt, .*, note4.txt and 2 more\)"):
        read_folders(tmp_path, classes=None)


def test_a_folder_inside_a_class_is_refused(tmp_path: Path) -> None:
    make_image(make_folders(tmp_path) / "dent" / "deeper" / "a.png")
    with pytest.raises(DataError, match=r"dent: found something that is no image \(deeper\)"):
        read_folders(tmp_path, classes=None)


def test_classes_beside_the_parts_are_refused(tmp_path: Path) -> None:
    make_parts(tmp_path, train={"a": 1, "b": 1}, test={"a": 1, "b": 1})
    make_folders(tmp_path, {"c": 1})
    with pytest.raises(DataError, match="found c beside 'train'"):
        read_folders(tmp_path, classes=None)


def test_a_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders, expected one sub-folder of images per class"):
        read_folders(tmp_path, classes=None)


def test_an_image_that_links_to_itself_is_refused(tmp_path: Path) -> None:
    link = make_folders(tmp_path) / "dent" / "loop.png"
    link.symlink_to(link)
    with pytest.raises(
        DataError, match=r"loop.png: cannot be read .Too many levels of symbolic links.*where its links lead"
    ):
        read_folders(tmp_path, classes=None)


@pytest.mark.parametrize("target", [".", ".."])
def test_a_class_that_links_to_a_folder_above_it_is_refused(tmp_path: Path, target: str) -> None:
    root = make_folders(tmp_path / "data")
    (root / "zoop").symlink_to(target, target_is_directory=True)
    with pytest.raises(DataError, match="zoop: found a symbolic link to a folder above it"):
        read_folders(root, classes=None)


def test_a_class_may_be_a_link_to_a_folder_elsewhere(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    (root / "linked").symlink_to(make_folders(tmp_path / "other") / "dent", target_is_directory=True)
    assert "linked" in read_folders(root, classes=None).train.labels


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (make_folders(tmp_path) / "dent" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"gone.png: cannot be read .No such file.*Check that it is there"):
        read_folders(tmp_path, classes=None)


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="cannot be read .Permission denied"):
        read_folders(tmp_path, classes=None)


def test_a_class_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    make_folders(tmp_path)
    (tmp_path / os.fsdecode(b"stra\xdfe")).mkdir()
    with pytest.raises(DataError, match="a class folder whose name is not UTF-8"):
        read_folders(tmp_path, classes=None)


def test_class_names_have_one_unicode_form(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a\u0308hre": 1, "b": 1})
    assert read_folders(tmp_path, classes=["b", "\u00e4hre"]).train.labels == ("b", "\u00e4hre")


def test_two_spellings_of_one_class_are_refused(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a\u0308hre": 1, "\u00e4hre": 1})
    with pytest.raises(DataError, match="the class 'ähre' twice"):
        read_folders(tmp_path, classes=None)
