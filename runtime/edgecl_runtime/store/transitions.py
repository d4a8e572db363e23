"""How one state follows from another: pure functions, each of them one write when a store applies it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from edgecl_runtime.errors import StoreError
from edgecl_runtime.store.records import Committed, PackRecord, Selection, Trial
from edgecl_runtime.store.state import State

__all__ = [
    "MAX_QUARANTINE",
    "MAX_TRIES",
    "begin",
    "commit",
    "drop_damaged",
    "reject",
    "revert",
    "revert_set",
    "withdraw",
]

MAX_TRIES: Final = 2
MAX_QUARANTINE: Final = 256


def begin(state: State, selection: Selection) -> State:
    """Return the state in which a selection is tried; once more, if it was being tried already."""
    same = state.trial is not None and state.trial.selection == selection
    tries = state.trial.tries + 1 if state.trial is not None and same else 1
    return replace(state, trial=Trial(selection, tries))


def commit(state: State) -> State:
    """Return the state in which what was tried runs; what ran before is kept to go back to."""
    chosen = _trial(state).selection
    new_bundle = _bundle_hash(chosen) != _bundle_hash(state.active)
    same_backbone = _backbone(chosen) == _backbone(state.active)
    known = {**state.previous, **_replaced(state.active, chosen)} if same_backbone else {}
    running = {pack.sha256 for pack in chosen.packs.values()}
    previous = {task: pack for task, pack in known.items() if pack.sha256 not in running}
    return replace(
        state,
        active=chosen,
        previous=previous,
        previous_set=state.active if new_bundle and state.active.bundle else state.previous_set,
        trial=None,
        committed=_raised(state.committed, chosen),
        quarantine={
            sha256: counter for sha256, counter in state.quarantine.items() if sha256 not in chosen.blobs()
        },
    )


def reject(state: State, blame: Collection[str] | None = None) -> State:
    """Return the state without the trial; the blamed contents are put into quarantine.

    Without `blame` that is the bundle if the trial brought another one, else each pack that it brought.
    """
    tried = _trial(state).selection
    new = [release for release in tried.releases() if release.sha256 not in state.active.blobs()]
    if blame is None:
        first = [release for release in new if release is tried.bundle] or new
        blame = {release.sha256 for release in first}
    failed = {release.sha256: release.release_counter for release in new if release.sha256 in blame}
    return replace(state, trial=None, quarantine=_quarantined(state, failed))


def revert(state: State, task: str) -> State:
    """Return the state in which a task has its previous pack; the one that goes is put into quarantine.

    Raises:
        StoreError: there is none, or the publisher took it back.
    """
    previous = state.previous.get(task)
    if previous is None or previous.sha256 in state.withdrawn:
        raise _nothing_to_go_back_to(task, withdrawn=previous is not None)
    gone = state.active.packs.get(task)
    failed = {gone.sha256: gone.release_counter} if gone else {}
    return replace(
        state,
        active=state.active.with_pack(previous),
        previous={name: pack for name, pack in state.previous.items() if name != task},
        trial=None,
        quarantine=_quarantined(state, failed),
    )


def revert_set(state: State) -> State:
    """Return the state in which the previous backbone runs with its packs; the one that goes is put into quarantine.

    Raises:
        StoreError: there is none, or the publisher took it back.
    """
    before, gone = state.previous_set, state.active.bundle
    if before is None or _bundle_hash(before) in state.withdrawn:
        raise _nothing_to_go_back_to("the backbone", withdrawn=before is not None)
    failed = {gone.sha256: gone.release_counter} if gone else {}
    return replace(
        state,
        active=before.without(state.withdrawn),
        previous={},
        previous_set=None,
        trial=None,
        quarantine=_quarantined(state, failed),
    )


def withdraw(state: State, withdrawn: Mapping[str, str]) -> State:
    """Return the state after the publisher took back exactly these contents, each "normal" or "unsafe".

    A pack falls back to the previous one of its task, else the task has none; a bundle falls back to the previous set,
    and goes on if there is none. What is "normal" is kept for the case that it is released again.
    """
    changed = _without_withdrawn_packs(_without_withdrawn_bundle(state, withdrawn), withdrawn)
    changed = _without_unsafe(changed, {sha256 for sha256, kind in withdrawn.items() if kind == "unsafe"})
    if changed.trial and any(sha256 in withdrawn for sha256 in changed.trial.selection.blobs()):
        changed = replace(changed, trial=None)
    in_use = changed.blobs()
    return replace(
        changed, withdrawn={sha256: kind for sha256, kind in withdrawn.items() if sha256 in in_use}
    )


def drop_damaged(state: State, damaged: Collection[str]) -> State:
    """Return the state that uses none of these contents where there is another one to go back to.

    A task without another pack has none until it is fetched again; a bundle without another one stays named.
    """
    hurt = set(damaged)
    before = state.previous_set
    if before and before.bundle and hurt & {blob.sha256 for blob in before.bundle.files.values()}:
        before = None
    before = before.without(hurt) if before else None
    previous = {task: pack for task, pack in state.previous.items() if pack.sha256 not in hurt}
    active, bundle = state.active, state.active.bundle
    broken = bundle is not None and hurt & {blob.sha256 for blob in bundle.files.values()}
    if broken and before and _bundle_hash(before) not in state.withdrawn:
        active, previous, before = before.without(state.withdrawn), {}, None
    for task, pack in state.active.packs.items():
        if active.packs.get(task) is pack and pack.sha256 in hurt:
            active = _fallen_back(active, pack, previous, state.withdrawn)
    trial = None if state.trial and hurt & set(state.trial.selection.blobs()) else state.trial
    if active != state.active:
        trial = None
    return replace(state, active=active, previous=previous, previous_set=before, trial=trial)


def _without_withdrawn_bundle(state: State, withdrawn: Mapping[str, str]) -> State:
    before = state.previous_set
    if before is None or _bundle_hash(state.active) not in withdrawn or _bundle_hash(before) in withdrawn:
        return state
    return replace(state, active=before, previous={}, previous_set=state.active, trial=None)


def _without_withdrawn_packs(state: State, withdrawn: Mapping[str, str]) -> State:
    active, previous = state.active, dict(state.previous)
    for pack in state.active.packs.values():
        if pack.sha256 in withdrawn:
            active = _fallen_back(active, pack, previous, withdrawn)
            previous[pack.task] = pack
    trial = state.trial if active == state.active else None
    return replace(state, active=active, previous=previous, trial=trial)


def _fallen_back(
    active: Selection, pack: PackRecord, previous: dict[str, PackRecord], refused: Mapping[str, object]
) -> Selection:
    """Return the selection with the previous pack of a task, which leaves `previous`, or without the task."""
    older = previous.get(pack.task)
    if older is None or older.sha256 in refused:
        return active.without({pack.sha256})
    return active.with_pack(previous.pop(pack.task))


def _without_unsafe(state: State, unsafe: set[str]) -> State:
    before = state.previous_set
    if before is not None:
        before = None if _bundle_hash(before) in unsafe else before.without(unsafe)
    previous = {task: pack for task, pack in state.previous.items() if pack.sha256 not in unsafe}
    return replace(state, previous=previous, previous_set=before)


def _replaced(before: Selection, after: Selection) -> dict[str, PackRecord]:
    """Return the packs of tasks that go on with another pack."""
    return {
        task: pack
        for task, pack in before.packs.items()
        if task in after.packs and after.packs[task].sha256 != pack.sha256
    }


def _trial(state: State) -> Trial:
    if state.trial is None:
        raise StoreError("the device store", found="no trial", expected="one that was begun")
    return state.trial


def _raised(committed: Mapping[str, Committed], chosen: Selection) -> dict[str, Committed]:
    raised = dict(committed)
    for release in chosen.releases():
        if release.key not in raised or raised[release.key].release_counter < release.release_counter:
            raised[release.key] = Committed(release.release_counter, release.sha256)
    return raised


def _quarantined(state: State, failed: Mapping[str, int]) -> dict[str, int]:
    """Return the quarantine with more contents, the oldest ones forgotten when there are too many."""
    kept = {sha256: counter for sha256, counter in state.quarantine.items() if sha256 not in failed}
    raised = {sha256: max(counter, state.quarantine.get(sha256, 0)) for sha256, counter in failed.items()}
    return dict(list({**kept, **raised}.items())[-MAX_QUARANTINE:])


def _bundle_hash(selection: Selection) -> str | None:
    return selection.bundle.sha256 if selection.bundle else None


def _backbone(selection: Selection) -> str | None:
    return selection.bundle.backbone if selection.bundle else None


def _nothing_to_go_back_to(name: str, *, withdrawn: bool) -> StoreError:
    found = "one that the publisher took back" if withdrawn else "none"
    return StoreError(
        name,
        found=found,
        expected="an earlier one to go back to",
        reason="no-previous",
        advice="What is active stays.",
    )
