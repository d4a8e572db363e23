from __future__ import annotations

from pathlib import Path

import pytest
from securesystemslib.signer import Signature

from edgecl_export.repository.errors import RepositoryError, SigningKeyError
from edgecl_export.repository.publish import Content, write_contents
from edgecl_runtime.durable import write_durably
from tests.export.repository.factories import BACKBONE, Client, add, make_admitting, make_signers, pack


def names_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the names of files below a folder as they are written."""
    written: list[str] = []

    def note(path: Path, content: bytes) -> None:
        written.append(path.relative_to(folder).as_posix())
        write_durably(path, content)

    monkeypatch.setattr("edgecl_export.repository.publish.write_durably", note)
    return written


def test_content_comes_first_and_the_timestamp_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    written = names_written(repository, monkeypatch)
    (added,) = add(repository, signers, pack(tmp_path, version=2))
    assert written == [
        f"targets/packs/{BACKBONE[:12]}/{added.release.sha256}.leaves-2.ecpack",
        f"metadata/2.bb-{BACKBONE[:12]}.json",
        "metadata/3.snapshot.json",
        "metadata/timestamp.json",
    ]


def test_new_folders_are_durable_before_what_lies_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def note(path: Path) -> None:
        made.append(path)
        path.mkdir()

    monkeypatch.setattr("edgecl_export.repository.publish.make_folder_durably", note)
    write_contents(tmp_path, {"a/x": Content.of(b"1")})
    assert made == [tmp_path / "a"]


def test_a_file_that_is_there_already_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_contents(tmp_path, {"x": Content.of(b"1")})
    written = names_written(tmp_path, monkeypatch)
    write_contents(tmp_path, {"x": Content.of(b"1"), "y": Content.of(b"2")})
    assert written == ["y"]


def test_what_a_publication_left_behind_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"half")
    write_contents(tmp_path, {"x": Content.of(b"whole")})
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_source_that_changed_after_it_was_signed_is_not_published(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"signed")
    content = Content.of(source)
    source.write_bytes(b"another")
    with pytest.raises(RepositoryError, match="found other bytes than were signed"):
        write_contents(tmp_path, {"x": content, "y": Content.of(b"2")})
    assert list(tmp_path.iterdir()) == [source]


def test_a_key_that_fails_in_the_middle_leaves_every_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    before = sorted(repository.rglob("*"))

    def refuse(payload: bytes) -> Signature:
        raise OSError("the card was pulled")

    monkeypatch.setattr(signers["online"], "sign", refuse)
    with pytest.raises(SigningKeyError, match="key online: cannot sign .*the card was pulled"):
        add(repository, signers, pack(tmp_path, version=2))
    assert sorted(repository.rglob("*")) == before
    Client(repository).refresh(repository)
