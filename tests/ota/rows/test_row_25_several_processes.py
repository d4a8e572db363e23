"""Row 25: one updater at a time; readers see one whole set after another, and keep what they hold."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecl_runtime.errors import UpdateBusyError
from edgecl_runtime.store import DiskFiles, PackRecord, Store, StoreReader
from tests.ota.store_world import (
    CONTENTS,
    LEAVES_1,
    LEAVES_2,
    LEAVES_3,
    SET_1,
    SET_2,
    STEEL_1,
    UPDATED,
    create,
    install,
)

ROOT = Path(__file__).parents[3]
SWAPS = 10_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create(DiskFiles(), tmp_path / "state")
    install(SET_1)(DiskFiles(), tmp_path / "state")
    return tmp_path / "state"


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


HOLD = """
import sys, time
from edgecl_runtime.store import Store
with Store.open(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""

SWAP = f"""
import sys
from pathlib import Path
from edgecl_runtime.store import DiskFiles
from edgecl_runtime.store.files import replace_durably
class Fast(DiskFiles):
    def sync(self, path): pass
path = Path(sys.argv[1]) / "active.json"
records = (path.read_bytes(), path.with_name("active.json.prev").read_bytes())
for number in range({SWAPS}):
    replace_durably(Fast(), path, records[number % 2])
"""

INSTALL = """
import sys
from pathlib import Path
from edgecl_runtime.store import DiskFiles
from tests.ota.store_world import SET_1, install, make_pack
class Fast(DiskFiles):
    def sync(self, path): pass
for number in range(2, 102):
    install(SET_1.with_pack(make_pack("leaves", number)))(Fast(), Path(sys.argv[1]))
"""


def is_whole(reader: StoreReader, pack: PackRecord) -> bool:
    return reader.content_path(pack.sha256).read_bytes() == CONTENTS[pack.sha256]


def test_a_second_updater_is_refused(folder: Path) -> None:
    with Store.open(folder), pytest.raises(UpdateBusyError, match="another updater at work"):
        Store.open(folder)


def test_an_updater_in_another_process_is_refused_until_the_first_is_killed(folder: Path) -> None:
    with started(HOLD, str(folder)) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UpdateBusyError):
            Store.open(folder)
        os.kill(holder.pid, signal.SIGKILL)
    Store.open(folder).close()


def test_a_store_that_is_let_go_can_be_held_again(folder: Path) -> None:
    Store.open(folder).close()
    Store.open(folder).close()


def test_a_reader_needs_no_lock(folder: Path) -> None:
    with Store.open(folder):
        assert StoreReader(folder).state().active == SET_1


def test_a_reader_notices_a_commit_by_one_look_at_a_file(folder: Path) -> None:
    reader = StoreReader(folder)
    before = reader.stamp()
    install(UPDATED)(DiskFiles(), folder)
    assert reader.stamp() != before


def test_a_mapped_pack_outlives_its_removal(folder: Path) -> None:
    reader = StoreReader(folder)
    with reader.content_path(LEAVES_1.sha256).open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    for pack in (LEAVES_2, LEAVES_3):
        install(SET_1.with_pack(pack))(DiskFiles(), folder)
    install(SET_2)(DiskFiles(), folder)
    install(SET_2)(DiskFiles(), folder)
    assert not reader.content_path(LEAVES_1.sha256).exists()
    assert mapped[:] == CONTENTS[LEAVES_1.sha256]


@pytest.mark.slow
def test_no_read_is_torn_in_ten_thousand_swaps(folder: Path) -> None:
    install(UPDATED)(DiskFiles(), folder)
    with Store.open(folder) as store:
        store.revert("leaves")
    reader = StoreReader(folder)
    with started(SWAP, str(folder)) as swapping:
        while swapping.poll() is None:
            active = reader.state().active
            assert active in (SET_1, UPDATED)
            assert is_whole(reader, active.packs["leaves"])
    assert swapping.returncode == 0


@pytest.mark.slow
def test_a_reader_finds_every_other_task_whole_while_packs_come_and_go(folder: Path) -> None:
    reader = StoreReader(folder)
    with started(INSTALL, str(folder)) as installing:
        while installing.poll() is None:
            assert is_whole(reader, reader.state().active.packs["steel"])
    assert (installing.returncode, reader.state().active.packs["leaves"].release_counter) == (0, 101)
    assert is_whole(reader, STEEL_1)
