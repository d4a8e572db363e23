from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecl_runtime.store import DiskFiles
from edgecl_runtime.store.files import replace_durably


def test_a_sync_reaches_the_disk_for_files_and_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
    )
    replace_durably(DiskFiles(), tmp_path / "a", b"new")
    assert synced == [tmp_path / "a.new", tmp_path]


def test_an_append_goes_to_the_end(tmp_path: Path) -> None:
    files = DiskFiles()
    files.append(tmp_path / "a", b"one ")
    files.append(tmp_path / "a", b"two")
    assert b"".join(files.read(tmp_path / "a")) == b"one two"


def test_a_folder_tells_sizes_kinds_and_which_names_are_one_file(tmp_path: Path) -> None:
    files = DiskFiles()
    files.append(tmp_path / "a", b"12345")
    files.link(tmp_path / "a", tmp_path / "b")
    files.make_folder(tmp_path / "c")
    found = files.entries(tmp_path)
    assert (found["a"], found["a"].size_bytes, found["c"].is_folder) == (found["b"], 5, True)


def test_links_to_elsewhere_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/etc/passwd")
    assert DiskFiles().entries(tmp_path) == {}


def test_files_and_empty_folders_are_removed(tmp_path: Path) -> None:
    files = DiskFiles()
    files.append(tmp_path / "a", b"")
    files.make_folder(tmp_path / "c")
    files.remove(tmp_path / "a")
    files.remove(tmp_path / "c")
    assert files.entries(tmp_path) == {}


def test_there_is_room_on_the_disk(tmp_path: Path) -> None:
    assert DiskFiles().free_bytes(tmp_path) > 0
