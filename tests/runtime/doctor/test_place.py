from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.doctor import FINE, MEND, NOTE
from tests.runtime.doctor.machines import day, findings_of, make_facts, make_folder, make_store, only


def test_a_clock_that_may_be_right_is_fine() -> None:
    assert only("clock", make_facts()).message == "2026-11-21 00:00 UTC"


def test_a_clock_before_the_software_was_built_is_set() -> None:
    finding = only("clock", make_facts(now=day(1970, 1, 1), built=day(2026, 2, 3)))
    assert finding.level == MEND
    assert "says 1970-01-01, but this software was built on 2026-02-03" in finding.message
    assert finding.line == "sudo timedatectl set-ntp true"


def test_a_clock_before_the_newest_update_is_set() -> None:
    store = make_store(clock_floor=day(2026, 12, 24))
    finding = only("clock", make_facts(store=store))
    assert finding.level == MEND
    assert "the newest update of the store was signed on 2026-12-24" in finding.message


def test_a_store_without_updates_has_no_floor_of_its_own() -> None:
    assert only("clock", make_facts(store=make_store())).level == FINE


def test_a_store_that_cannot_be_read_says_why() -> None:
    finding = only("store", make_facts(store=make_store(error="active.json: no undamaged copy")))
    assert (finding.level, finding.message) == (MEND, "active.json: no undamaged copy")


@pytest.mark.parametrize("kind", ["vfat", "exfat", "msdos"])
def test_a_store_on_fat_is_refused(kind: str) -> None:
    folder = make_folder(path=Path("/media/a stick/store"), kind=kind)
    finding = only("drive", make_facts(store=make_store(), folder=folder))
    assert finding.level == MEND
    assert f"is on {kind}" in finding.message
    assert finding.line == (
        "sudo mkdir -p /var/lib/edgecl && sudo cp -a '/media/a stick/store'/. /var/lib/edgecl"
    )


def test_a_bundle_on_fat_is_fine() -> None:
    assert only("drive", make_facts(folder=make_folder(kind="vfat"))).level == FINE


def test_a_store_on_a_read_only_drive_is_mounted_again() -> None:
    finding = only("drive", make_facts(store=make_store(), folder=make_folder(is_read_only=True)))
    assert (finding.level, finding.line) == (MEND, "sudo mount -o remount,rw /data")


def test_a_store_in_memory_is_noted() -> None:
    finding = only("drive", make_facts(store=make_store(), folder=make_folder(kind="tmpfs")))
    assert finding.level == NOTE


def test_a_store_on_a_journalling_file_system_is_fine() -> None:
    finding = only("drive", make_facts(store=make_store(), folder=make_folder()))
    assert (finding.level, finding.message) == (FINE, "/data/store is on ext4")


@pytest.mark.parametrize(("free_bytes", "level"), [(29_999_999, MEND), (30_000_000, FINE)])
def test_a_new_set_must_fit_beside_the_present_one(free_bytes: int, level: str) -> None:
    finding = only("room", make_facts(store=make_store(), folder=make_folder(free_bytes=free_bytes)))
    assert (finding.level, finding.message) == (
        level,
        "30 MB free; a set of the present size needs 30 MB",
    )


def test_where_the_room_went_is_asked_on_the_drive_of_the_store() -> None:
    finding = only("room", make_facts(store=make_store(), folder=make_folder(free_bytes=0)))
    assert finding.line == "sudo du -xh /data | sort -h | tail -n 20"


def test_a_bundle_needs_no_room() -> None:
    assert findings_of("room", make_facts(folder=make_folder(free_bytes=0))) == []
