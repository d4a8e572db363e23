from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime import InputError, PackConflictError, PackFormatError, read_bundle
from edgecl_runtime.pack_folder import read_pack_folder
from tests.runtime.factories import IMAGE_BUNDLE, copy_bundle, write_pack_file

BUNDLE = read_bundle(IMAGE_BUNDLE)


def versions(folder: Path) -> dict[str, int]:
    packs = read_pack_folder(BUNDLE, folder).packs
    return {task: pack.manifest.version for task, pack in packs.items()}


def test_the_highest_version_of_each_task_wins(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        write_pack_file(tmp_path, version=version)
    write_pack_file(tmp_path, task="steel")
    assert versions(tmp_path) == {"leaves": 10, "steel": 1}


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    write_pack_file(tmp_path)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    (tmp_path / ".leaves-2.ecpack.part").write_bytes(b"half")
    (tmp_path / ".hidden.ecpack").write_bytes(b"half")
    assert versions(tmp_path) == {"leaves": 1}


def test_a_bad_pack_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.ecpack").write_bytes(b"damaged")
    with pytest.raises(PackFormatError, match=r"bad.ecpack"):
        read_pack_folder(BUNDLE, tmp_path)


def test_a_bad_pack_can_be_skipped_and_an_older_one_serves(tmp_path: Path) -> None:
    write_pack_file(tmp_path)
    (tmp_path / "leaves-2.ecpack").write_bytes(b"damaged")
    folder = read_pack_folder(BUNDLE, tmp_path, skip_bad_packs=True)
    assert folder.packs["leaves"].manifest.version == 1
    assert [type(error) for error in folder.skipped] == [PackFormatError]


def test_two_packs_of_one_version_are_a_conflict(tmp_path: Path) -> None:
    write_pack_file(tmp_path).rename(tmp_path / "a.ecpack")
    write_pack_file(tmp_path, labels=("other", "names"))
    with pytest.raises(
        PackConflictError, match=r"leaves-1.ecpack: found other bytes under version 1 .*/a.ecpack"
    ):
        read_pack_folder(BUNDLE, tmp_path)


def test_two_copies_of_one_pack_are_one_pack(tmp_path: Path) -> None:
    write_pack_file(tmp_path).rename(tmp_path / "a.ecpack")
    write_pack_file(tmp_path)
    assert versions(tmp_path) == {"leaves": 1}


def test_without_a_folder_the_packs_lie_in_the_bundle(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    assert read_pack_folder(bundle).packs == {}
    bundle.packs_path.mkdir()
    write_pack_file(bundle.packs_path)
    assert list(read_pack_folder(bundle).packs) == ["leaves"]


def test_a_folder_that_is_given_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: found no folder"):
        read_pack_folder(BUNDLE, tmp_path / "nowhere")
