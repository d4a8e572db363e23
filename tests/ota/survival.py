"""What must be true of a store however it was broken off: it is old or new, and all that it names is there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from edgecl_runtime.errors import EdgeclRuntimeError, StateLostError, StoreError
from edgecl_runtime.store import Files, HighWater, HighWaterRecord, Selection, State, Store
from edgecl_runtime.store.layout import Layout
from edgecl_runtime.store.reader import read_states
from tests.ota.crash_states import CrashState, Image, MemoryFiles, crash_states, killed_disks
from tests.ota.store_world import METADATA, Operation, content_at

FOLDER = Path("/state")

Seen = tuple[State | None, HighWater | None]
"""What a store says of itself; None: both copies are gone, or there is no store yet."""


def prepared(operation: Operation) -> Image:
    """Return the disk, all of it safe, on which the operation begins."""
    files = MemoryFiles()
    for step in operation.before:
        step(files, FOLDER)
    return files.now.image()


def seen(files: Files, folder: Path = FOLDER) -> Seen:
    """Return what the store says of itself, as a reader finds it."""
    layout = Layout(folder)
    try:
        state: State | None = read_states(files, layout)[0]
    except StateLostError:
        state = None
    try:
        accepted: HighWater | None = HighWaterRecord(
            files, layout.high_water, metadata=layout.metadata
        ).load()
    except StateLostError:
        accepted = None
    return state, accepted


def seen_during(files: MemoryFiles, operation: Operation) -> list[Seen]:
    """Return what an observer sees while nothing goes wrong, each thing once, in order.

    A record that was there and is gone for a moment is not among them.
    """
    found: list[Seen] = []

    def look(call: str = "") -> None:
        files.before_each = lambda call: None
        now = seen(files)
        if now not in found and not any(_is_lost(earlier, now) for earlier in found):
            found.append(now)
        files.before_each = look

    files.before_each = look
    operation.run(files, FOLDER)
    look()
    files.before_each = lambda call: None
    return found


def _is_lost(earlier: Seen, now: Seen) -> bool:
    return any(before is not None and after is None for before, after in zip(earlier, now, strict=True))


def complaints(files: Files, folder: Path = FOLDER, *, spared: frozenset[str] = frozenset()) -> list[str]:
    """Return what is wrong with the store on a disk: whatever it names is there, byte by byte, but what is spared."""
    state, accepted = seen(files, folder)
    if state is None:
        return []
    named = state.blobs().keys() - spared
    found = [f"no sound {sha256[:6]}" for sha256 in named if not _is_sound(files, folder, sha256)]
    for selection in (state.active, state.trial.selection if state.trial else Selection()):
        if not spared & selection.blobs().keys():
            found += _complaints_of_view(files, folder, selection)
    if accepted is not None and accepted.versions.get("root", 0) >= 2:
        found += _complaints_of_metadata(files, folder)
    return found


@cache
def judged(image: Image, spared: frozenset[str]) -> tuple[Seen, tuple[str, ...]]:
    """Return what a store on a disk says of itself, and what is wrong with it."""
    files = MemoryFiles(image)
    return seen(files), tuple(complaints(files, spared=spared))


def complaints_after_power_cut(state: CrashState, allowed: Sequence[Seen], operation: Operation) -> list[str]:
    """Return what is wrong with what a power cut left, and with the operation done once more on it."""
    found = _complaints_of(state, allowed, operation)
    files = MemoryFiles(state.image)
    if state.finished and not operation.promise(files, FOLDER):
        found.append("the promise is not kept")
    if not found and (operation.repeats or seen(files) == allowed[0] != allowed[-1]):
        found += _complaints_of_repeating(files, allowed, operation)
    return found


def complaints_after_kill(disk: MemoryFiles, operation: Operation, first: Sequence[Seen]) -> list[str]:
    """Return what is wrong when a process is killed, the next one goes on, and only then power goes.

    What the next process saw after it opened the store must stay true.
    """
    now = seen(disk.killed())
    found = []
    if _can_be_opened(disk.killed()):
        opened = crash_states(disk.killed(), lambda files: Store.open(FOLDER, files=files).close())
        for state in opened:
            found += _complaints_of(state, [*first, now], operation)
    if operation.repeats or now == first[0]:
        allowed = [*first, *seen_during(disk.killed(), operation)]
        for state in crash_states(disk.killed(), lambda files: operation.run(files, FOLDER)):
            found += _complaints_of(state, allowed, operation)
    return found


def states_of(operation: Operation) -> list[CrashState]:
    """Return every state in which a power cut may leave the disk."""
    return crash_states(MemoryFiles(prepared(operation)), lambda files: operation.run(files, FOLDER))


def disks_of(operation: Operation) -> list[MemoryFiles]:
    """Return the disk as it is left by a kill before each call."""
    return killed_disks(MemoryFiles(prepared(operation)), lambda files: operation.run(files, FOLDER))


def _complaints_of(state: CrashState, allowed: Sequence[Seen], operation: Operation) -> list[str]:
    now, found = judged(state.image, operation.damaged)
    if now not in (allowed[-1:] if state.finished else allowed):
        return [
            *found,
            "not what it was when the operation returned" if state.finished else "neither old nor new",
        ]
    return list(found)


def _complaints_of_repeating(files: MemoryFiles, allowed: Sequence[Seen], operation: Operation) -> list[str]:
    try:
        operation.run(files, FOLDER)
    except EdgeclRuntimeError as error:
        return [f"cannot be done again: {error}"]
    (state, accepted), (wanted, wanted_high_water) = seen(files), allowed[-1]
    if state is None or wanted is None or (state.active, accepted) != (wanted.active, wanted_high_water):
        return ["done again, it does not lead to where it should"]
    return complaints(files, spared=operation.damaged)


def _can_be_opened(disk: MemoryFiles) -> bool:
    try:
        Store.open(FOLDER, files=disk).close()
    except (StoreError, OSError):
        return False
    return True


def _is_sound(files: Files, folder: Path, sha256: str) -> bool:
    try:
        content = content_at(files, folder / "store" / sha256)
    except FileNotFoundError:
        return False
    return hashlib.sha256(content).hexdigest() == sha256


def _complaints_of_view(files: Files, folder: Path, selection: Selection) -> list[str]:
    if selection.bundle is None:
        return []
    view = folder / "bundles" / selection.bundle.sha256
    try:
        shown = {
            name: hashlib.sha256(content_at(files, view / name)).hexdigest() for name in files.entries(view)
        }
    except FileNotFoundError:
        shown = {}
    expected = {name: blob.sha256 for name, blob in selection.bundle.files.items()}
    return [] if shown == expected else [f"the view of {view.name[:6]} shows {sorted(shown)}"]


def _complaints_of_metadata(files: Files, folder: Path) -> list[str]:
    path = folder / "tuf" / "timestamp.json"
    try:
        return [] if content_at(files, path) == METADATA else ["accepted metadata is damaged"]
    except FileNotFoundError:
        return ["accepted metadata is gone"]
