from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecl_runtime.durable import make_folder_durably, write_durably


def test_the_content_is_there_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    write_durably(tmp_path / "a.ecpack", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.ecpack", b"new")]


def test_file_and_folder_are_synced_around_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []
    target = tmp_path / "a"

    def note(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path.resolve(), target.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_durably(target, b"new")
    assert synced == [(False, False), (True, True)]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_durably(target, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_every_new_folder_is_made_durable_by_the_one_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").resolve()))
    make_folder_durably(tmp_path / "a" / "b")
    assert synced == [tmp_path.resolve(), tmp_path.resolve() / "a"]
