"""Row 27: a copy of the repository on a drive passes the same checks as the network, with the same errors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from edgecl_export.repository import copy_for_usb, rotate
from edgecl_runtime.ota import Report
from edgecl_runtime.ota.setup import set_up
from tests.export.repository.factories import NOW, keyring, make_repository, make_signers
from tests.ota.fleet import Clock, Fleet, make_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """A device that has version 1, and a repository that has released version 2 since."""
    fleet = make_fleet(tmp_path)
    fleet.updater().poll()
    fleet.release(2)
    return fleet


def copy(fleet: Fleet, *, days: int | None = None) -> Path:
    """Return the drive, with what the repository says now."""
    copy_for_usb(fleet.repository, fleet.folder / "drive", keyring=keyring(fleet.signers), now=NOW, days=days)
    return fleet.folder / "drive"


def find(drive: Path, pattern: str) -> Path:
    (found,) = drive.rglob(pattern)
    return found


def outcome(report: Report) -> list[tuple[str, str]]:
    return [(type(error).__name__, getattr(error, "reason", "")) for error in report.errors]


def test_a_copy_is_installed(fleet: Fleet) -> None:
    assert outcome(fleet.updater().install_from(copy(fleet))) == []
    assert fleet.versions() == {"leaves": 2}


def test_a_copy_that_cannot_be_written_is_installed(fleet: Fleet) -> None:
    drive = copy(fleet)
    for path in [drive, *drive.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted((path, path.stat().st_mtime_ns) for path in drive.rglob("*"))
    assert outcome(fleet.updater().install_from(drive)) == []
    assert sorted((path, path.stat().st_mtime_ns) for path in drive.rglob("*")) == before


def test_a_copy_that_has_expired_is_refused(fleet: Fleet) -> None:
    report = fleet.updater(clock=Clock(NOW + timedelta(days=8))).install_from(copy(fleet))
    assert [name for name, _ in outcome(report)] == ["FreezeError"]
    assert fleet.versions() == {"leaves": 1}


def test_a_copy_that_was_made_to_last_is_installed_later(fleet: Fleet) -> None:
    report = fleet.updater(clock=Clock(NOW + timedelta(days=25))).install_from(copy(fleet, days=60))
    assert outcome(report) == []
    assert fleet.versions() == {"leaves": 2}


def test_a_copy_under_another_root_is_refused(fleet: Fleet) -> None:
    other = make_repository(fleet.folder / "other", make_signers())
    report = fleet.updater().install_from(other)
    assert report.exit_code == 5
    assert fleet.versions() == {"leaves": 1}


def test_a_copy_that_is_older_than_the_device_is_refused(fleet: Fleet) -> None:
    drive = copy(fleet)
    fleet.release(3)
    fleet.updater().poll()
    assert [name for name, _ in outcome(fleet.updater().install_from(drive))] == ["RollbackError"]
    assert fleet.versions() == {"leaves": 3}


def test_a_copy_brings_the_chain_of_roots_along(fleet: Fleet) -> None:
    fleet.signers |= make_signers("online-2")
    rotate(fleet.repository, keyring(fleet.signers), "online", ["online-2"], now=NOW)
    drive = copy(fleet)
    assert (drive / "metadata" / "2.root.json").exists()
    assert outcome(fleet.updater().install_from(drive)) == []
    assert fleet.versions() == {"leaves": 2}


def remove(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def lead_out(path: Path) -> None:
    outside = path.parents[4] / "outside"
    shutil.move(path, outside)
    path.symlink_to(outside)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("pattern", "damage", "error"),
    [
        ("*.leaves-2.ecpack", remove, ("TransferError", "http-404")),
        ("*.leaves-2.ecpack", flip, ("IntegrityError", "hash")),
        ("*.leaves-2.ecpack", cut, ("IntegrityError", "length")),
        ("*.leaves-2.ecpack", lead_out, ("TransferError", "http-404")),
        ("*.leaves-2.ecpack", make_pipe, ("TransferError", "http-404")),
        ("timestamp.json", remove, ("TransferError", "http-404")),
        ("timestamp.json", cut, ("IntegrityError", "format")),
        ("*.bb-*.json", flip, ("IntegrityError", "hash")),
    ],
)
def test_a_copy_that_was_damaged_or_pulled_out_too_early_changes_nothing(
    fleet: Fleet, pattern: str, damage: Callable[[Path], None], error: tuple[str, str]
) -> None:
    drive = copy(fleet)
    damage(find(drive, pattern))
    assert outcome(fleet.updater().install_from(drive)) == [error]
    assert fleet.versions() == {"leaves": 1}


def test_a_drive_that_is_put_in_again_goes_on(fleet: Fleet) -> None:
    drive = copy(fleet)
    pack = find(drive, "*.leaves-2.ecpack")
    whole = pack.read_bytes()
    remove(pack)
    fleet.updater().install_from(drive)
    pack.write_bytes(whole)
    assert outcome(fleet.updater().install_from(drive)) == []
    assert fleet.versions() == {"leaves": 2}


def test_the_bytes_of_a_drive_are_not_those_of_the_day(fleet: Fleet) -> None:
    set_up(fleet.store, daily_bytes=1)
    assert outcome(fleet.updater().install_from(copy(fleet))) == []
    assert fleet.versions() == {"leaves": 2}
