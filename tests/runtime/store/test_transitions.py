from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_runtime.errors import StoreError
from edgecl_runtime.store import Committed, State
from edgecl_runtime.store.transitions import (
    MAX_QUARANTINE,
    begin,
    commit,
    drop_damaged,
    reject,
    revert,
    revert_set,
    withdraw,
)
from tests.runtime.store.records import OTHER_BACKBONE, make_bundle, make_pack, make_selection

FIRST, SECOND, THIRD = (make_pack("leaves", counter) for counter in (1, 2, 3))
STEEL = make_pack("steel")
BUNDLE_2 = make_bundle(2, backbone=OTHER_BACKBONE)
SET_2 = make_selection(make_pack("leaves", 1, backbone=OTHER_BACKBONE), bundle=BUNDLE_2)


def installed(*packs, state: State | None = None) -> State:
    return commit(begin(state or State(), make_selection(*packs)))


def updated() -> State:
    return installed(SECOND, STEEL, state=installed(FIRST, STEEL))


def moved() -> State:
    return commit(begin(updated(), SET_2))


def test_a_trial_does_not_change_what_runs() -> None:
    assert begin(updated(), make_selection(THIRD, STEEL)).active == updated().active


def test_the_same_trial_again_is_one_more_try() -> None:
    once = begin(updated(), make_selection(THIRD))
    assert begin(once, make_selection(THIRD)).trial.tries == 2  # type: ignore[union-attr] # it was just begun


def test_another_trial_starts_to_count_anew() -> None:
    once = begin(updated(), make_selection(THIRD))
    assert begin(once, make_selection(STEEL)).trial.tries == 1  # type: ignore[union-attr] # it was just begun


def test_a_commit_keeps_the_pack_that_ran_before() -> None:
    assert (updated().active.packs["leaves"], updated().previous) == (SECOND, {"leaves": FIRST})


def test_a_release_of_the_same_bytes_keeps_the_pack_before() -> None:
    again = make_pack("leaves", 4, content=b"leaves 2 " + SECOND.backbone.encode())
    assert installed(again, STEEL, state=updated()).previous == {"leaves": FIRST}


def test_a_commit_of_another_backbone_keeps_the_whole_set() -> None:
    assert (moved().previous_set, moved().previous) == (updated().active, {})


def test_counters_of_commits_are_kept_with_their_content() -> None:
    assert updated().committed_pack("leaves", SECOND.backbone) == Committed(2, SECOND.sha256)


def test_nothing_can_be_committed_without_a_trial() -> None:
    with pytest.raises(StoreError, match="no trial"):
        commit(State())


def test_a_rejected_pack_is_in_quarantine_until_a_higher_counter_names_it() -> None:
    state = reject(begin(updated(), make_selection(THIRD, STEEL)))
    assert state.trial is None
    assert [state.is_quarantined(THIRD.sha256, counter) for counter in (2, 3, 4)] == [True, True, False]


def test_what_runs_is_never_put_into_quarantine_by_a_rejected_trial() -> None:
    state = reject(begin(updated(), make_selection(THIRD, STEEL)), {STEEL.sha256, THIRD.sha256})
    assert list(state.quarantine) == [THIRD.sha256]


def test_of_a_rejected_set_the_bundle_is_blamed_unless_a_pack_is_named() -> None:
    pack = SET_2.packs["leaves"]
    assert list(reject(begin(updated(), SET_2)).quarantine) == [BUNDLE_2.sha256]
    assert list(reject(begin(updated(), SET_2), {pack.sha256}).quarantine) == [pack.sha256]


def test_a_commit_ends_the_quarantine_of_its_contents() -> None:
    refused = reject(begin(updated(), make_selection(THIRD, STEEL)))
    assert installed(THIRD, STEEL, state=refused).quarantine == {}


def test_going_back_takes_the_previous_pack_and_keeps_the_counter() -> None:
    state = revert(updated(), "leaves")
    assert state.active.packs["leaves"] == FIRST
    assert state.committed_pack("leaves", SECOND.backbone) == Committed(2, SECOND.sha256)
    assert state.is_quarantined(SECOND.sha256, 2)


def test_going_back_twice_is_refused() -> None:
    with pytest.raises(StoreError, match="found none"):
        revert(revert(updated(), "leaves"), "leaves")


def test_going_back_to_a_withdrawn_pack_is_refused() -> None:
    with pytest.raises(StoreError, match="took back"):
        revert(withdraw(updated(), {FIRST.sha256: "normal"}), "leaves")


def test_going_back_ends_a_trial() -> None:
    assert revert(begin(updated(), make_selection(THIRD)), "leaves").trial is None


def test_going_back_to_the_previous_set_takes_all_of_it() -> None:
    state = revert_set(moved())
    assert (state.active, state.previous_set) == (updated().active, None)
    assert state.is_quarantined(BUNDLE_2.sha256, 2)


def test_there_is_no_previous_set_at_first() -> None:
    with pytest.raises(StoreError, match="the backbone: found none"):
        revert_set(updated())


def test_a_withdrawn_pack_gives_way_to_the_previous_one() -> None:
    state = withdraw(updated(), {SECOND.sha256: "normal"})
    assert (state.active.packs["leaves"], state.previous["leaves"]) == (FIRST, SECOND)


def test_a_withdrawn_only_pack_leaves_the_task_without_one_and_is_kept() -> None:
    state = withdraw(updated(), {STEEL.sha256: "normal"})
    assert ("steel" in state.active.packs, state.previous["steel"]) == (False, STEEL)


def test_an_unsafe_pack_is_not_kept() -> None:
    assert SECOND.sha256 not in withdraw(updated(), {SECOND.sha256: "unsafe"}).blobs()


def test_when_both_packs_of_a_task_are_withdrawn_it_has_none() -> None:
    state = withdraw(updated(), {SECOND.sha256: "normal", FIRST.sha256: "normal"})
    assert list(state.active.packs) == ["steel"]


def test_an_unknown_withdrawn_content_changes_nothing() -> None:
    assert withdraw(updated(), {"f" * 64: "unsafe"}) == updated()


def test_content_that_is_no_longer_withdrawn_can_be_gone_back_to() -> None:
    state = withdraw(withdraw(updated(), {SECOND.sha256: "normal"}), {})
    assert revert(state, "leaves").active == updated().active


def test_a_pack_that_is_no_longer_withdrawn_and_runs_again_is_not_what_it_goes_back_to() -> None:
    state = withdraw(withdraw(updated(), {STEEL.sha256: "normal"}), {})
    assert installed(SECOND, STEEL, state=state).previous == {"leaves": FIRST}


def test_a_withdrawn_backbone_gives_way_to_the_set_before() -> None:
    state = withdraw(moved(), {BUNDLE_2.sha256: "normal"})
    assert (state.active, state.previous_set) == (updated().active, SET_2)


@pytest.mark.parametrize("severity", ["normal", "unsafe"])
def test_the_only_backbone_goes_on_although_it_is_withdrawn(severity: str) -> None:
    bundle = make_bundle()
    assert withdraw(updated(), {bundle.sha256: severity}).active.bundle == bundle


def test_a_trial_of_withdrawn_content_ends() -> None:
    assert withdraw(begin(updated(), make_selection(THIRD)), {THIRD.sha256: "normal"}).trial is None


def test_damage_in_the_set_under_trial_ends_the_trial() -> None:
    assert drop_damaged(begin(updated(), make_selection(THIRD)), {THIRD.sha256}).trial is None


def test_damage_in_the_set_before_forgets_it() -> None:
    graph = make_bundle().files["backbone.onnx"]
    assert drop_damaged(moved(), {graph.sha256}).previous_set is None


def test_damage_elsewhere_changes_nothing() -> None:
    assert drop_damaged(updated(), {"f" * 64}) == updated()


def test_the_quarantine_forgets_the_oldest_beyond_its_size() -> None:
    state = State(quarantine={f"{number:064x}": 1 for number in range(MAX_QUARANTINE)})
    state = reject(begin(state, make_selection(THIRD, bundle=None)))
    assert (len(state.quarantine), f"{0:064x}" in state.quarantine) == (MAX_QUARANTINE, False)


@given(st.lists(st.sampled_from(["commit", "reject", "revert", "withdraw", "allow"]), max_size=12))
def test_whatever_happens_counters_never_fall_and_the_backbone_stays(events: list[str]) -> None:
    state, counter = updated(), 2
    for event in events:
        before = state.committed_pack("leaves", SECOND.backbone)
        counter += 1
        state = after(state, event, counter)
        now = state.committed_pack("leaves", SECOND.backbone)
        assert before is not None
        assert now is not None
        assert now.release_counter >= before.release_counter
        assert state.active.bundle == make_bundle()


def after(state: State, event: str, counter: int) -> State:
    trial = begin(state, state.active.with_pack(make_pack("leaves", counter)))
    if event == "revert" and "leaves" in state.previous and not state.withdrawn:
        return revert(state, "leaves")
    changes = {
        "commit": lambda: commit(trial),
        "reject": lambda: reject(trial),
        "withdraw": lambda: withdraw(state, dict.fromkeys(state.active.without(set()).blobs(), "normal")),
        "allow": lambda: withdraw(state, {}),
    }
    return changes.get(event, lambda: state)()
