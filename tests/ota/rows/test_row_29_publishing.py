"""Row 29: whatever happens to a publisher, readers find a consistent repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from tuf.api.exceptions import ExpiredMetadataError

from edgecl_export.repository import (
    add_releases,
    copy_for_usb,
    resign,
    rotate,
    set_rollout,
    withdraw,
)
from edgecl_export.repository.edition import open_edition
from edgecl_export.repository.errors import MissingKeysError, RepositoryBusyError
from edgecl_runtime.durable import write_durably
from edgecl_runtime.ota.release import bundle_path, pack_path, rollout_path
from tests.export.repository.factories import (
    BACKBONE,
    NAMES,
    NOW,
    Client,
    FolderFetcher,
    Signers,
    add,
    days,
    keyring,
    make_admitting,
    make_signers,
    pack,
)
from tests.runtime.factories import IMAGE_BUNDLE

NEW_NAMES = ("root-4", "targets-2", "release-2", "online-2")
LEAVES = [pack_path(BACKBONE, "leaves", version) for version in (1, 2)]
Operation = Callable[["Publisher"], object]


class Publisher:
    """Someone with all keys, old and new, and a repository."""

    def __init__(self, repository: Path, signers: Signers) -> None:
        self.repository, self.signers = repository, signers
        self.ring = keyring(signers)
        self.pack = pack(repository.parent, version=2)

    def rotate(self, group: str, *names: str) -> None:
        rotate(self.repository, self.ring, group, names, now=NOW)

    def roles(self) -> list[str]:
        return ["root", "targets", "backbones", "rollout", f"bb-{BACKBONE[:12]}"]


OPERATIONS: dict[str, Operation] = {
    "add a pack": lambda by: add(by.repository, by.signers, by.pack, percent=10),
    "add a bundle": lambda by: add(by.repository, by.signers, IMAGE_BUNDLE),
    "roll out": lambda by: set_rollout(by.repository, by.ring, ["leaves-1"], percent=10, now=NOW),
    "withdraw": lambda by: withdraw(by.repository, by.ring, ["leaves-1"], now=NOW),
    "sign all anew": lambda by: resign(by.repository, by.ring, now=NOW, roles=by.roles()),
    "rotate root": lambda by: by.rotate("root", "root-1", "root-4"),
    "rotate targets": lambda by: by.rotate("targets", "targets-2"),
    "rotate release": lambda by: by.rotate("release", "release-2"),
    "rotate online": lambda by: by.rotate("online", "online-2"),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signers]:
    signers = make_signers() | make_signers(*NEW_NAMES)
    return make_admitting(tmp_path_factory.mktemp("row-29") / "repository", signers), signers


@pytest.fixture
def publisher(prepared: tuple[Path, Signers], tmp_path: Path) -> Publisher:
    repository, signers = prepared
    return Publisher(copytree(repository, tmp_path / "repository"), signers)


def view(client: Client) -> tuple[Any, ...]:
    """Return what a client knows of everything that the operations may change."""
    paths = [*LEAVES, bundle_path(BACKBONE, 1)]
    found = [client.updater.get_targetinfo(path) for path in paths]
    limits = [client.updater.get_targetinfo(rollout_path(each.hashes["sha256"])) for each in found if each]
    return tuple(each and each.custom for each in (*found, *limits))


def views_meanwhile(
    publisher: Publisher, operation: Operation, patched: pytest.MonkeyPatch
) -> list[tuple[Any, ...]]:
    """Return what a client that knew the state before and a new one see after every write of an operation."""
    follower = Client(publisher.repository, "follower")
    seen: list[tuple[Any, ...]] = []

    def look() -> None:
        for client in (follower, Client(publisher.repository, f"fresh-{len(seen)}")):
            client.refresh(publisher.repository)
            seen.append(view(client))

    def write_and_look(path: Path, content: bytes) -> None:
        write_durably(path, content)
        look()

    look()
    patched.setattr("edgecl_export.repository.publish.write_durably", write_and_look)
    operation(publisher)
    return seen


def in_order(seen: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield each view where it differs from the one before."""
    for before, now in zip([None, *seen], seen, strict=False):
        if now != before:
            yield now


@every_operation
def test_readers_see_the_old_state_or_the_new_one_at_every_moment(
    operation: Operation, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = views_meanwhile(publisher, operation, monkeypatch)
    assert len(seen) >= 4
    assert len(list(in_order(seen))) <= 2


@every_operation
def test_an_operation_that_is_cut_off_anywhere_can_be_repeated(
    operation: Operation, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(publisher.repository)
    while cut_off(publisher, operation, monkeypatch):
        client.refresh(publisher.repository)
    client.refresh(publisher.repository)


def cut_off(publisher: Publisher, operation: Operation, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run an operation until its next write that nobody has let through yet, and say whether there was one."""
    passed: set[Path] = getattr(publisher, "passed", set())
    publisher.passed = passed  # type: ignore[attr-defined]  # the memory of this helper

    def let_one_through(path: Path, content: bytes) -> None:
        if path not in passed:
            passed.add(path)
            raise OSError(5, "power")
        write_durably(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("edgecl_export.repository.publish.write_durably", let_one_through)
        try:
            operation(publisher)
        except OSError:
            return True
    return False


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from edgecl_export.repository import Keyring, add_releases, publish

repository, keys, pack, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
write = publish.write_durably

def write_until(path, content):
    if kill_at in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content)

publish.write_durably = write_until
add_releases(repository, Keyring.open([keys], lambda name: "correct horse"), [pack], now=datetime.now(UTC))
"""


@pytest.mark.parametrize("kill_at", ["leaves-2.ecpack", "bb-", "snapshot", "timestamp"])
def test_a_publisher_that_is_killed_leaves_the_old_state(kill_at: str, tmp_path: Path) -> None:
    repository, keys = make_published(tmp_path)
    client = Client(repository)
    client.refresh(repository)
    released = pack(tmp_path, version=2)
    command = [sys.executable, "-c", KILLED, str(repository), str(keys), str(released), kill_at]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    client.refresh(repository)
    assert client.counters(*LEAVES) == [1, None]
    assert subprocess.run([*command[:-1], "nothing"], check=False).returncode == 0
    client.refresh(repository)
    assert client.counters(*LEAVES) == [1, 2]


def make_published(folder: Path) -> tuple[Path, Path]:
    """Return a repository and the folder of its keys, all of them encrypted files."""
    from edgecl_export.repository import AddOptions, Keyring, RoleKeys, create_repository, new_key

    repository, keys = folder / "repository", folder / "keys"
    for name in NAMES:
        new_key(keys, name, "correct horse")
    ring = Keyring.open([keys], lambda _: "correct horse")
    create_repository(repository, ring, keys=RoleKeys(), now=NOW)
    add_releases(repository, ring, [pack(folder)], now=NOW, options=AddOptions(admit=IMAGE_BUNDLE))
    return repository, keys


def test_a_second_publisher_is_kept_out(publisher: Publisher) -> None:
    with (
        open_edition(publisher.repository, publisher.ring, now=NOW),
        pytest.raises(RepositoryBusyError, match="another program is publishing"),
    ):
        add(publisher.repository, publisher.signers, publisher.pack)


def test_two_publishers_one_after_the_other_both_release(publisher: Publisher) -> None:
    add(publisher.repository, publisher.signers, publisher.pack)
    add(publisher.repository, publisher.signers, pack(publisher.repository.parent, task="bugs"))
    client = Client(publisher.repository)
    client.refresh(publisher.repository)
    assert client.counters(LEAVES[1], pack_path(BACKBONE, "bugs", 1)) == [2, 1]


def test_a_publisher_that_died_keeps_nobody_out(publisher: Publisher) -> None:
    hold = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), 2); os._exit(9)"
    holder = subprocess.run([sys.executable, "-c", hold, str(publisher.repository)], check=False)
    assert holder.returncode == 9
    add(publisher.repository, publisher.signers, publisher.pack)


@pytest.mark.parametrize("missing", ["release", "online"])
def test_a_missing_key_leaves_every_file_as_it_was(missing: str, publisher: Publisher) -> None:
    before = {path: path.stat().st_mtime_ns for path in publisher.repository.rglob("*")}
    with pytest.raises(MissingKeysError, match=missing):
        add_releases(
            publisher.repository, keyring(publisher.signers, without=[missing]), [publisher.pack], now=NOW
        )
    assert {path: path.stat().st_mtime_ns for path in publisher.repository.rglob("*")} == before


@pytest.mark.parametrize("late", [8, 31, 400])
def test_renewing_too_late_stops_updates_only_until_it_is_done(late: int, tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers, now=NOW - days(late))
    client = Client(repository)
    with pytest.raises(ExpiredMetadataError):
        client.refresh(repository)
    resign(repository, keyring(signers), now=NOW)
    client.refresh(repository)
    assert client.counters(LEAVES[0]) == [1]


def test_a_reader_who_began_before_a_publication_ends_with_what_it_began(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = FolderFetcher._fetch

    def publish_behind_the_timestamp(fetcher: FolderFetcher, url: str) -> Iterator[bytes]:
        yield from fetch(fetcher, url)
        if url.endswith("timestamp.json"):
            add(publisher.repository, publisher.signers, publisher.pack)

    client = Client(publisher.repository)
    monkeypatch.setattr(FolderFetcher, "_fetch", publish_behind_the_timestamp)
    client.refresh(publisher.repository)
    assert client.counters(*LEAVES) == [1, None]


def test_a_copy_that_was_pulled_out_still_has_the_state_before(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    copy_for_usb(publisher.repository, stick, keyring=publisher.ring, now=NOW)
    add(publisher.repository, publisher.signers, publisher.pack)

    def pull_out(path: Path, content: bytes) -> None:
        if path.name == "timestamp.json":
            raise OSError(os.EX_IOERR, "pulled out")
        write_durably(path, content)

    monkeypatch.setattr("edgecl_export.repository.publish.write_durably", pull_out)
    with pytest.raises(OSError, match="pulled out"):
        copy_for_usb(publisher.repository, stick, keyring=publisher.ring, now=NOW)
    client = Client(stick)
    client.refresh(stick)
    assert client.counters(*LEAVES) == [1, None]
