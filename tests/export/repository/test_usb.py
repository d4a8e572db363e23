from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_export.repository import Keyring, UsbCopy, check_repository, copy_for_usb, rotate
from edgecl_export.repository.errors import MissingKeysError, RepositoryError
from edgecl_export.repository.tree import read_tree
from tests.export.repository.factories import (
    NOW,
    Client,
    Signers,
    add,
    days,
    keyring,
    make_admitting,
    make_signers,
    pack,
)
from tests.export.repository.test_add import LEAVES_1, LEAVES_2

NO_KEYS = Keyring({}, {})


@pytest.fixture
def signers() -> Signers:
    return make_signers("root-4") | make_signers()


@pytest.fixture
def repository(tmp_path: Path, signers: Signers) -> Path:
    return make_admitting(tmp_path / "repository", signers)


def copy(repository: Path, ring: Keyring = NO_KEYS, *, for_days: int | None = None) -> tuple[Path, UsbCopy]:
    """Write a copy beside the repository."""
    out = repository.with_name("stick")
    return out, copy_for_usb(repository, out, keyring=ring, now=NOW, days=for_days)


def test_a_client_reads_the_copy_as_it_reads_the_repository(repository: Path) -> None:
    stick, _ = copy(repository)
    client = Client(stick)
    client.refresh(stick)
    assert client.counters(LEAVES_1) == [1]


def test_the_copy_is_whole_and_nothing_else(repository: Path) -> None:
    stick, copied = copy(repository)
    report = check_repository(stick, now=NOW)
    assert (report.exit_code, report.orphans, report.superseded) == (0, (), 0)
    files = [path for path in stick.rglob("*") if path.is_file()]
    assert (len(files), sum(path.stat().st_size for path in files)) == (copied.files, copied.size_bytes)


def test_all_roots_come_along(repository: Path, signers: Signers) -> None:
    client = Client(repository)
    rotate(repository, keyring(signers), "root", ["root-1", "root-4"], now=NOW)
    stick, _ = copy(repository)
    client.refresh(stick)
    assert read_tree(stick).root.signed.version == 2


def test_a_copy_is_brought_up_to_date(repository: Path, signers: Signers, tmp_path: Path) -> None:
    stick, _ = copy(repository)
    client = Client(stick)
    client.refresh(stick)
    add(repository, signers, pack(tmp_path, version=2))
    copy(repository)
    client.refresh(stick)
    assert client.counters(LEAVES_1, LEAVES_2) == [1, 2]


def test_a_copy_holds_as_long_as_its_shortest_signature(repository: Path) -> None:
    assert copy(repository)[1].valid_until == NOW + days(7)


def test_a_copy_can_hold_longer(repository: Path, signers: Signers) -> None:
    stick, copied = copy(repository, keyring(signers), for_days=90)
    assert copied.valid_until == NOW + days(90)
    assert check_repository(stick, now=NOW + days(89)).exit_code == 0


def test_a_longer_copy_has_the_versions_of_the_repository(repository: Path, signers: Signers) -> None:
    stick, _ = copy(repository, keyring(signers), for_days=90)
    client = Client(stick)
    client.refresh(stick)
    client.refresh(repository)
    here, there = read_tree(repository).signed(), read_tree(stick).signed()
    assert {name: role.version for name, role in here.items()} == {
        name: role.version for name, role in there.items()
    }


def test_the_repository_itself_is_not_touched(repository: Path, signers: Signers) -> None:
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    copy(repository, keyring(signers), for_days=90)
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_a_longer_copy_needs_the_online_key(repository: Path, signers: Signers) -> None:
    with pytest.raises(MissingKeysError, match="online"):
        copy(repository, keyring(signers, without=["online"]), for_days=90)


def test_a_damaged_pack_is_not_copied(repository: Path) -> None:
    (path,) = repository.rglob("*.ecpack")
    path.write_bytes(b"other")
    with pytest.raises(RepositoryError, match="leaves-1.ecpack"):
        copy(repository)
    assert not (repository.with_name("stick") / "metadata" / "timestamp.json").exists()
