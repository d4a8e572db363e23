"""Row 22: any call fails with any error; what ran is byte-identical, and once the disk works again, all works."""

from __future__ import annotations

import errno
import re
from itertools import count
from pathlib import Path

import pytest

from edgecl_runtime.errors import EdgeclRuntimeError, IntegrityError, StoreError
from edgecl_runtime.store import Store
from tests.ota.crash_states import MemoryFiles
from tests.ota.faulty_files import FaultyFiles
from tests.ota.store_world import LEAVES_3, OPERATIONS, Operation, create, fetched
from tests.ota.survival import FOLDER, Seen, complaints, prepared, seen, seen_during

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES)
# These write to the disk on their own too, as a downloader or a metadata cache does.
RAW = ("adopt", "install a pack", "switch a fetched set", "root rotation")
WHOLE = [entry for entry in OPERATIONS if entry.name in ("install a pack", "switch a fetched set")]
PARTS = [entry for entry in OPERATIONS if not re.match("first install|install|switch", entry.name)]


def problems(operation: Operation, error: int) -> list[str]:
    """Fail each call of the operation in turn, and return all that is wrong afterwards."""
    image, allowed = prepared(operation), seen_during(MemoryFiles(prepared(operation)), operation)
    found: list[str] = []
    for at in count(1):
        disk = MemoryFiles(image)
        files = FaultyFiles(disk, error, at)
        found += what_goes_wrong(operation, files, allowed)
        if files.calls < at:
            return found
    raise AssertionError


def what_goes_wrong(operation: Operation, files: FaultyFiles, allowed: list[Seen]) -> list[str]:
    disk = files.disk
    try:
        operation.run(files, FOLDER)
    except (StoreError, IntegrityError):
        pass
    except OSError as error:
        if operation.name not in RAW:
            return [f"call {files.at}: {error!r}"]
    found = [f"call {files.at}: {complaint}" for complaint in complaints(disk, spared=operation.damaged)]
    now = seen(disk)
    if now not in allowed:
        found.append(f"call {files.at}: neither old nor new")
    elif operation.repeats or now == allowed[0]:
        found += repeated(operation, disk.killed(), allowed, files.at)
    return found


def repeated(operation: Operation, disk: MemoryFiles, allowed: list[Seen], at: int) -> list[str]:
    try:
        operation.run(disk, FOLDER)
    except EdgeclRuntimeError as error:
        return [f"call {at}: does not work again: {error}"]
    (state, _), (wanted, _) = seen(disk), allowed[-1]
    same = state is not None and wanted is not None and state.active == wanted.active
    return [] if same and operation.promise(disk, FOLDER) else [f"call {at}: leads elsewhere"]


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=lambda error: errno.errorcode[error])
@pytest.mark.parametrize("operation", WHOLE, ids=lambda operation: operation.name)
def test_a_failing_call_leaves_the_old_or_the_new_state(operation: Operation, error: int) -> None:
    assert not problems(operation, error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode[error])
@pytest.mark.parametrize("operation", PARTS, ids=lambda operation: operation.name)
def test_a_failing_call_of_a_part_leaves_the_old_or_the_new_state(operation: Operation, error: int) -> None:
    assert not problems(operation, error)


class UnsyncableFiles(MemoryFiles):
    def sync(self, path: Path) -> None:
        if path.parent.name == "partial":
            raise OSError(errno.EIO, "Input/output error", str(path))
        super().sync(path)


def test_bytes_that_could_not_be_synced_are_not_trusted_later() -> None:
    disk = UnsyncableFiles()
    create(disk, FOLDER)
    with pytest.raises(StoreError):
        fetched(LEAVES_3)(disk, FOLDER)
    assert not disk.entries(FOLDER / "partial")


def test_the_error_of_a_full_disk_says_so_and_can_be_retried() -> None:
    disk = MemoryFiles()
    create(disk, FOLDER)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        Store.open(FOLDER, files=FaultyFiles(disk, errno.ENOSPC, at=3))
    assert caught.value.retryable
