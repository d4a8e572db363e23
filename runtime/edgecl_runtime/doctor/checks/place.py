"""The clock, and the drive that bundle or store lie on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime

from edgecl_runtime.doctor.facts import Facts, FolderFacts
from edgecl_runtime.doctor.finding import FINE, MEND, NOTE, Finding

__all__ = ["check_clock", "check_drive", "check_room", "check_store"]

_FAT = {"vfat", "msdos", "exfat"}
_FORGETFUL = {"tmpfs", "ramfs"}
_SET_CLOCK = "sudo timedatectl set-ntp true"
_RESERVE_BYTES = 8_000_000


def check_clock(facts: Facts) -> Iterator[Finding]:
    """Say whether the clock is behind what is known to have happened."""
    floors = [(facts.built, "this software was built")]
    if facts.store is not None and facts.store.clock_floor is not None:
        floors.append((facts.store.clock_floor, "the newest update of the store was signed"))
    floor, event = max(floors)
    if facts.now < floor:
        yield Finding(
            "clock",
            MEND,
            f"the clock says {_day(facts.now)}, but {event} on {_day(floor)}: expired updates would be taken",
            _SET_CLOCK,
        )
    else:
        yield Finding("clock", FINE, f"{facts.now:%Y-%m-%d %H:%M} UTC")


def check_store(facts: Facts) -> Iterator[Finding]:
    """Say whether the records of the store can be read."""
    if facts.store is not None and facts.store.error:
        yield Finding("store", MEND, facts.store.error)


def check_drive(facts: Facts) -> Iterator[Finding]:
    """Say whether the file system keeps what a store writes when the power fails."""
    if facts.folder is None:
        return
    folder, is_store = facts.folder, facts.store is not None
    if is_store and folder.kind in _FAT:
        yield Finding(
            "drive",
            MEND,
            f"{folder.path} is on {folder.kind}, which cannot replace a file in one step: a store needs ext4, "
            "f2fs, btrfs or xfs",
            f"sudo mkdir -p /var/lib/edgecl && sudo cp -a {shlex.quote(str(folder.path))}/. /var/lib/edgecl",
        )
    elif is_store and folder.is_read_only:
        yield Finding(
            "drive",
            MEND,
            f"{folder.path} is on a drive that is mounted read-only: nothing can be installed",
            f"sudo mount -o remount,rw {shlex.quote(folder.mounted_at)}",
        )
    elif is_store and folder.kind in _FORGETFUL:
        yield Finding("drive", NOTE, f"{folder.path} is on {folder.kind}: it is lost at the next start")
    else:
        yield Finding("drive", FINE, f"{folder.path} is on {folder.kind}")


def check_room(facts: Facts) -> Iterator[Finding]:
    """Say whether a whole new set, a bundle with its packs, fits beside the one in use."""
    if facts.folder is None or facts.store is None or facts.store.error:
        return
    needed = facts.store.active_bytes * 11 // 10 + _RESERVE_BYTES
    free = facts.folder.free_bytes
    shown = f"{free / 1e6:.0f} MB free; a set of the present size needs {needed / 1e6:.0f} MB"
    if free < needed:
        yield Finding("room", MEND, shown, _find_large_files(facts.folder))
    else:
        yield Finding("room", FINE, shown)


def _find_large_files(folder: FolderFacts) -> str:
    return f"sudo du -xh {shlex.quote(folder.mounted_at)} | sort -h | tail -n 20"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
