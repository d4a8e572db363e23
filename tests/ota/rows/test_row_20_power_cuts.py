"""Row 20: power goes at any moment of any operation; what is found afterwards is old or new, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.store.files import replace_durably
from tests.ota.crash_states import MemoryFiles, crash_states
from tests.ota.store_world import OPERATIONS, Operation
from tests.ota.survival import (
    complaints_after_kill,
    complaints_after_power_cut,
    disks_of,
    prepared,
    seen_during,
    states_of,
)

# The parts of these are operations of their own: killed at each call as a whole they take minutes.
LONG = ("first install", "install after litter", "switch the set")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_power_cut_leaves_the_old_or_the_new_state(operation: Operation) -> None:
    allowed = seen_during(MemoryFiles(prepared(operation)), operation)
    assert not {
        complaint
        for state in states_of(operation)
        for complaint in complaints_after_power_cut(state, allowed, operation)
    }


@pytest.mark.crash
@pytest.mark.parametrize(
    "operation", [entry for entry in OPERATIONS if entry.name not in LONG], ids=lambda entry: entry.name
)
def test_a_power_cut_after_a_kill_leaves_what_was_seen_in_between(operation: Operation) -> None:
    first = seen_during(MemoryFiles(prepared(operation)), operation)
    assert not {
        complaint
        for disk in disks_of(operation)
        for complaint in complaints_after_kill(disk, operation, first)
    }


def test_a_replaced_file_is_the_old_or_the_new_one_without_its_copy_too() -> None:
    path = Path("/record")
    disk = MemoryFiles((("/record", 0, b"old"),))
    states = crash_states(disk, lambda files: replace_durably(files, path, b"new"))
    found = {
        ({name: content for name, _, content in state.image}["/record"], state.finished) for state in states
    }
    assert found == {(b"old", False), (b"new", False), (b"new", True)}


def test_at_least_two_thousand_states_are_looked_at() -> None:
    assert sum(len(states_of(operation)) for operation in OPERATIONS) >= 2_000
