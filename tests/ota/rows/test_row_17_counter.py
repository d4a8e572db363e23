"""Row 17: release counters never go down, and one counter means one content."""

from __future__ import annotations

import pytest

from edgecl_runtime import CounterError, ReleaseError
from edgecl_runtime.ota.release import PackRelease
from edgecl_runtime.ota.select import Choice, Slot
from tests.ota.offers import BACKBONE, digest, make_bundle_release, make_release, make_selector

SECOND = make_release(version=2)
HAS_SECOND = Slot(counter=2, newest=SECOND.sha256, active=SECOND.sha256)


def choose(*releases: PackRelease, slot: Slot = HAS_SECOND) -> Choice[PackRelease]:
    return make_selector().packs(releases, {"leaves": slot}, backbone=BACKBONE)


def test_what_is_installed_is_not_installed_again() -> None:
    assert choose(make_release(), SECOND) == Choice()


def test_a_higher_counter_is_installed() -> None:
    third = make_release(version=3)
    assert choose(make_release(), SECOND, third).install == (third,)


def test_the_highest_counter_wins_in_any_order() -> None:
    releases = [make_release(version=number) for number in (4, 9, 3)]
    assert choose(*releases).install == (releases[1],)


def test_a_repository_that_lists_lower_counters_only_is_refused() -> None:
    choice = choose(make_release())
    assert choice.install == ()
    assert isinstance(choice.held[0].error, CounterError)


def test_other_content_under_the_committed_counter_is_refused() -> None:
    choice = choose(make_release(version=7, release_counter=2))
    assert choice.install == ()
    assert isinstance(choice.held[0].error, CounterError)


def test_other_content_under_the_committed_counter_is_refused_after_a_fall_back() -> None:
    slot = Slot(counter=2, newest=SECOND.sha256, active=make_release().sha256)
    assert isinstance(
        choose(make_release(version=7, release_counter=2), slot=slot).held[0].error, CounterError
    )


def test_two_contents_under_one_new_counter_are_refused() -> None:
    twins = [make_release(version=5), make_release(version=6, release_counter=5)]
    choice = choose(SECOND, *twins)
    assert choice.install == ()
    assert isinstance(choice.held[0].error, CounterError)


def test_old_content_under_a_higher_counter_is_installed() -> None:
    again = make_release(release_counter=3)
    assert choose(SECOND, again).install == (again,)


def test_a_counter_of_another_task_does_not_count() -> None:
    other = make_release(task="steel")
    assert choose(SECOND, other).install == (other,)


def test_a_fault_of_one_task_does_not_stop_another() -> None:
    other = make_release(task="steel")
    choice = choose(make_release(), other)
    assert choice.install == (other,)
    assert [held.reason for held in choice.held] == ["counter"]


@pytest.mark.parametrize("counter", [None, 0, -1, "2", 2.0, True])
def test_a_record_without_a_right_counter_is_refused(counter: object) -> None:
    custom = make_release().as_custom()
    custom["edgecl"]["release_counter"] = counter
    with pytest.raises(ReleaseError, match="release_counter"):
        PackRelease.from_custom(make_release().path, length=1, sha256=digest("x"), custom=custom)


def test_the_counter_of_a_line_of_backbones_never_goes_down() -> None:
    choice = make_selector().bundle(
        [make_bundle_release()], Slot(counter=2, newest=digest("b"), active=digest("b"))
    )
    assert isinstance(choice.held[0].error, CounterError)


def test_a_backbone_of_another_line_is_not_looked_at() -> None:
    release = make_bundle_release(line="beta", release_counter=9)
    choice = make_selector().bundle([release], Slot(counter=2))
    assert (choice.install, choice.held) == ((), ())
