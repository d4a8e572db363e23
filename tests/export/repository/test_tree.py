from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Timestamp

from edgecl_export.repository.errors import RepositoryError, RepositoryTamperedError
from edgecl_export.repository.tree import read_tree, target_name
from tests.export.repository.factories import BACKBONE, Signers, make_admitting, make_signers

PACKS = f"bb-{BACKBONE[:12]}"
FILES = ("1.root", "timestamp", "2.snapshot", "2.targets", "1.backbones", "1.rollout", f"1.{PACKS}")

every_file = pytest.mark.parametrize("name", FILES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signers]:
    signers = make_signers()
    return make_admitting(tmp_path_factory.mktemp("tree") / "repository", signers), signers


@pytest.fixture
def repository(made: tuple[Path, Signers], tmp_path: Path) -> Path:
    return copytree(made[0], tmp_path / "repository")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a file of metadata says, and leave its signatures as they are."""
    value = json.loads(path.read_bytes())
    change(value["signed"])
    path.write_bytes(json.dumps(value, separators=(",", ":")).encode())


def other_folder(folder: Path) -> Path:
    """Return a place for another repository."""
    (folder / "other").mkdir()
    return folder / "other" / "repository"


@every_file
def test_a_sound_tree_has_every_file(name: str, repository: Path) -> None:
    read_tree(repository)
    assert (repository / "metadata" / f"{name}.json").is_file()


@every_file
def test_a_changed_file_is_refused(name: str, repository: Path) -> None:
    edit(
        repository / "metadata" / f"{name}.json", lambda signed: signed.update(expires="2099-01-01T00:00:00Z")
    )
    with pytest.raises(RepositoryTamperedError, match=f"{name}.json: .* Nothing is signed on top of it"):
        read_tree(repository)


@every_file
def test_a_missing_file_is_named(name: str, repository: Path) -> None:
    (repository / "metadata" / f"{name}.json").unlink()
    with pytest.raises(RepositoryError, match=f"{name}.json: found no readable file"):
        read_tree(repository)


@every_file
def test_a_file_of_another_repository_is_refused(name: str, repository: Path, tmp_path: Path) -> None:
    other = make_admitting(other_folder(tmp_path), make_signers())
    part = f"metadata/{name}.json"
    (repository / part).write_bytes((other / part).read_bytes())
    with pytest.raises(RepositoryTamperedError):
        read_tree(repository)


@every_file
def test_a_file_that_is_no_metadata_is_refused(name: str, repository: Path) -> None:
    (repository / "metadata" / f"{name}.json").write_bytes(b'{"signed": 3}')
    with pytest.raises(RepositoryTamperedError, match=f"{name}.json"):
        read_tree(repository)


def test_metadata_of_another_role_is_refused(repository: Path) -> None:
    timestamp = repository / "metadata" / "timestamp.json"
    timestamp.write_bytes((repository / "metadata" / "2.targets.json").read_bytes())
    with pytest.raises(RepositoryTamperedError, match="found metadata of type targets, expected timestamp"):
        read_tree(repository)


@pytest.mark.parametrize("vouching", ["old", "new"])
def test_a_new_root_is_signed_by_old_and_by_new_keys(
    vouching: str, made: tuple[Path, Signers], repository: Path
) -> None:
    keys = {"old": made[1], "new": make_signers("root-1", "root-2", "root-3")}
    root: Metadata[Root] = Metadata.from_bytes((repository / "metadata" / "1.root.json").read_bytes())
    root.signed.version = 2
    for name in ("root-1", "root-2", "root-3"):
        root.signed.revoke_key(keys["old"][name].public_key.keyid, "root")
        root.signed.add_key(keys["new"][name].public_key, "root")
    root.signatures.clear()
    for name in ("root-1", "root-2"):
        root.sign(keys[vouching][name], append=True)
    root.to_file(str(repository / "metadata" / "2.root.json"))
    with pytest.raises(RepositoryTamperedError, match=r"2.root.json: .*0/2"):
        read_tree(repository)


def test_a_skipped_root_version_is_refused(made: tuple[Path, Signers], repository: Path) -> None:
    root = Metadata.from_bytes((repository / "metadata" / "1.root.json").read_bytes())
    root.signed.version = 3
    root.signatures.clear()
    for number in (1, 2):
        root.sign(made[1][f"root-{number}"], append=True)
    root.to_file(str(repository / "metadata" / "2.root.json"))
    with pytest.raises(RepositoryTamperedError, match="found version 3, expected version 2"):
        read_tree(repository)


@pytest.mark.parametrize(("name", "key"), [("2.snapshot", "online"), ("2.targets", "targets")])
def test_other_metadata_of_the_same_version_is_refused_although_its_signature_is_right(
    name: str, key: str, made: tuple[Path, Signers], repository: Path
) -> None:
    path = repository / "metadata" / f"{name}.json"
    other: Metadata[Snapshot] = Metadata.from_bytes(path.read_bytes())
    other.signed.expires += timedelta(days=1)
    other.sign(made[1][key])
    other.to_file(str(path))
    with pytest.raises(RepositoryTamperedError, match="expected the length and hash that were signed"):
        read_tree(repository)


def test_a_snapshot_without_hashes_is_refused(made: tuple[Path, Signers], repository: Path) -> None:
    timestamp: Metadata[Timestamp] = Metadata.from_bytes(
        (repository / "metadata" / "timestamp.json").read_bytes()
    )
    timestamp.signed.snapshot_meta.hashes = None
    timestamp.sign(made[1]["online"])
    timestamp.to_file(str(repository / "metadata" / "timestamp.json"))
    with pytest.raises(RepositoryTamperedError, match="found no length and hash"):
        read_tree(repository)


def test_a_folder_without_a_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="edgecl repo init"):
        read_tree(tmp_path)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "packs/../../x", ""])
def test_a_path_out_of_the_repository_is_refused(path: str) -> None:
    with pytest.raises(RepositoryTamperedError, match="expected a path below the repository"):
        target_name(TargetFile(0, {"sha256": "0" * 64}, path))
