"""Row 28: a new backbone and all its packs are switched as one set, or not at all.

There are no deltas (docs/adr/0008-a-device-updates-itself.md), so what a delta could do to a device cannot happen.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgecl_runtime import read_bundle
from edgecl_runtime.ota.probe import ProbeLimits, ProbeResult
from edgecl_runtime.store import Store, StoreReader
from tests.ota.field import Field, make_field, passes
from tests.runtime.factories import IMAGE_BUNDLE, TEXT_BUNDLE, edit_json

OLD = read_bundle(IMAGE_BUNDLE).fingerprint
NEW = read_bundle(TEXT_BUNDLE).fingerprint


@pytest.fixture
def field(tmp_path: Path) -> Field:
    """A device that has two tasks on an old backbone, and a repository that has a new one."""
    field = make_field(tmp_path)
    field.release_pack()
    field.release_pack(task="steel")
    assert field.update().errors == ()
    field.release_bundle(TEXT_BUNDLE, release_counter=2)
    return field


def release_both(field: Field) -> None:
    field.release_pack(source=TEXT_BUNDLE)
    field.release_pack(task="steel", source=TEXT_BUNDLE)


def backbones(field: Field) -> set[str]:
    """Return the backbone in use and those of the packs in use: one, unless something is mixed."""
    active = field.active
    assert active.bundle is not None
    return {active.bundle.backbone, *(pack.backbone for pack in active.packs.values())}


def test_backbone_and_packs_switch_in_one_change(field: Field) -> None:
    release_both(field)
    before = field.state.generation
    report = field.update()
    assert report.errors == ()
    assert [change.task for change in report.changes] == [None, "leaves", "steel"]
    assert backbones(field) == {NEW}
    assert field.state.generation - before == 2  # the trial and the commit


def test_a_switch_waits_for_a_pack_of_every_task_in_use(field: Field) -> None:
    field.release_pack(source=TEXT_BUNDLE)
    report = field.update()
    assert [held.reason for held in report.held] == ["set"]
    assert "steel" in report.held[0].message
    assert (report.changes, backbones(field)) == ((), {OLD})


def test_nothing_of_a_switch_that_waits_is_fetched(field: Field) -> None:
    field.release_pack(source=TEXT_BUNDLE)
    assert field.update().received_bytes == 0


def test_a_pack_for_the_old_backbone_is_installed_while_the_switch_waits(field: Field) -> None:
    newer = field.release_pack(version=2, release_counter=2)
    field.update()
    assert field.versions["leaves"] == newer.sha256


def test_a_switch_does_not_wait_for_a_task_that_is_no_longer_wanted(field: Field) -> None:
    field.release_pack(source=TEXT_BUNDLE)
    field.device = replace(field.device, tasks=frozenset({"leaves"}))
    field.update()
    assert backbones(field) == {NEW}
    assert set(field.versions) == {"leaves"}


def test_one_pack_that_fails_holds_the_whole_set(field: Field) -> None:
    release_both(field)
    bad = field.repository.pack_releases[-1].sha256

    def fails(bundle: Path, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
        return ProbeResult("mismatch", "other features", next(path for path in packs if path.name == bad))

    field.probe = fails
    before = field.active
    field.update()
    assert field.active == before
    assert field.state.quarantine == {bad: 1}
    field.probe = passes
    assert [held.reason for held in field.update().held] == ["quarantined", "set"]


def test_the_set_is_tried_again_when_the_pack_that_failed_is_released_again(field: Field) -> None:
    release_both(field)
    bad = field.repository.pack_releases[-1]
    field.probe = lambda bundle, packs, limits: ProbeResult("mismatch", "", Path(bad.sha256))
    field.update()
    field.probe = passes
    field.repository.pack_releases[-1] = replace(bad, release_counter=2)
    field.update()
    assert backbones(field) == {NEW}


def test_a_new_device_leaves_out_a_pack_that_fails(tmp_path: Path) -> None:
    field = Field(tmp_path)
    field.release_bundle()
    good, bad = field.release_pack(), field.release_pack(task="steel")

    def fails(bundle: Path, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
        culprits = [path for path in packs if path.name == bad.sha256]
        return ProbeResult("mismatch", "other features", culprits[0]) if culprits else ProbeResult(None)

    field.probe = fails
    assert [type(error).__name__ for error in field.update().errors] == ["UpdateProbeError"]
    assert field.versions == {"leaves": good.sha256}


def test_a_backbone_that_fails_is_not_tried_again(field: Field) -> None:
    release_both(field)
    field.probe = lambda bundle, packs, limits: ProbeResult("crash", "the backbone crashed")
    field.update()
    field.probe = passes
    report = field.update()
    assert backbones(field) == {OLD}
    assert [held.reason for held in report.held] == ["quarantined"]


def test_a_backbone_that_is_withdrawn_falls_back_as_a_set(field: Field) -> None:
    release_both(field)
    field.update()
    bundle = field.active.bundle
    assert bundle is not None
    field.roll_out(bundle.sha256, withdrawn=True)
    field.update()
    assert backbones(field) == {OLD}
    assert set(field.versions) == {"leaves", "steel"}


def test_the_whole_set_can_be_taken_back_without_a_network(field: Field) -> None:
    release_both(field)
    before = field.active
    field.update()
    with Store.open(field.store) as store:
        store.revert_set()
    assert field.active == before


def test_a_reader_sees_the_old_set_during_the_trial(field: Field) -> None:
    release_both(field)
    seen = []

    def look(bundle: Path, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
        seen.append(StoreReader(field.store).state().active.bundle)
        return ProbeResult(None)

    before = field.active.bundle
    field.probe = look
    field.update()
    assert seen == [before]


def test_a_graph_that_is_exported_again_takes_its_packs_along(field: Field, tmp_path: Path) -> None:
    again = shutil.copytree(IMAGE_BUNDLE, tmp_path / "again")
    edit_json(again / "bundle.json", lambda said: said.update(backbone="exported again"))
    field.repository.bundle_releases.pop()
    release = field.release_bundle(again, release_counter=2)
    before = field.versions
    report = field.update()
    assert [change.task for change in report.changes] == [None]
    assert field.versions == before
    assert field.active.bundle is not None
    assert field.active.bundle.sha256 == release.sha256


def test_a_bundle_that_says_other_than_its_signed_record_is_refused(field: Field) -> None:
    release_both(field)
    releases = field.repository.bundle_releases
    releases[-1] = replace(releases[-1], min_runtime="0.0.1")
    before = field.active
    report = field.update()
    assert [error.reason for error in report.errors if hasattr(error, "reason")] == ["tamper"]
    assert field.active == before


def test_a_bundle_whose_description_is_not_read_is_refused(field: Field) -> None:
    release_both(field)
    release = field.repository.bundle_releases[-1]
    content = json.dumps({"format_version": 1}).encode()
    sha256 = field.repository.put(release.path, content)
    field.repository.bundle_releases[-1] = replace(release, sha256=sha256, length=len(content))
    before = field.active
    assert [type(error).__name__ for error in field.update().errors] == ["BundleFormatError"]
    assert field.active == before


def test_room_is_made_before_a_byte_of_a_backbone_is_fetched(field: Field) -> None:
    release_both(field)
    release = field.repository.bundle_releases[-1]
    huge = tuple(replace(file, length=1 << 40) for file in release.files)
    field.repository.bundle_releases[-1] = replace(release, files=huge)
    report = field.update()
    assert [error.reason for error in report.errors if hasattr(error, "reason")] == ["quota"]
    assert report.received_bytes == 0
    assert backbones(field) == {OLD}
