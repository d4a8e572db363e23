"""Row 18: a withdrawn content is left for the one before it, or for none; it comes back when its publisher says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.ota.report import Report
from edgecl_runtime.store import StoreReader
from tests.ota.field import Field, make_field
from tests.ota.offers import digest, make_release, make_rollout, make_selector


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return make_field(tmp_path)


def actions(report: Report) -> list[str]:
    return [change.action for change in report.changes]


def test_a_withdrawn_release_is_not_chosen() -> None:
    release = make_release()
    choice = make_selector(make_rollout(release.sha256, withdrawn=True)).packs(
        [release], {}, backbone=release.backbone
    )
    assert choice.install == ()
    assert [held.reason for held in choice.held] == ["withdrawn"]


def test_an_active_pack_that_is_withdrawn_falls_back_to_the_one_before(field: Field) -> None:
    first = field.release_pack()
    field.update()
    second = field.release_pack(version=2, release_counter=2)
    field.update()
    field.roll_out(second.sha256, withdrawn=True)
    assert actions(field.update()) == ["withdrawn"]
    assert field.versions == {"leaves": first.sha256}


def test_the_only_pack_that_is_withdrawn_leaves_the_backbone(field: Field) -> None:
    only = field.release_pack()
    field.update()
    field.roll_out(only.sha256, withdrawn=True)
    report = field.update()
    assert [(change.task, change.action, change.after) for change in report.changes] == [
        ("leaves", "withdrawn", None)
    ]
    assert field.versions == {}
    assert field.active.bundle is not None


def test_a_previous_pack_that_is_withdrawn_is_not_fallen_back_to(field: Field) -> None:
    first = field.release_pack()
    field.update()
    second = field.release_pack(version=2, release_counter=2)
    field.update()
    field.roll_out(first.sha256, withdrawn=True)
    assert actions(field.update()) == []
    field.roll_out(second.sha256, withdrawn=True)
    field.update()
    assert field.versions == {}


def test_a_withdrawal_of_unknown_content_changes_nothing(field: Field) -> None:
    field.release_pack()
    field.update()
    before = field.state
    field.roll_out(digest("unknown"), withdrawn=True)
    assert field.update().changes == ()
    assert field.state == before


def test_a_withdrawal_that_is_taken_back_brings_the_content_again_without_a_byte(field: Field) -> None:
    pack = field.release_pack()
    field.update()
    field.roll_out(pack.sha256, withdrawn=True)
    field.update()
    field.roll_out(pack.sha256, withdrawn=False)
    report = field.update()
    assert actions(report) == ["installed"]
    assert report.received_bytes == 0
    assert field.versions == {"leaves": pack.sha256}


def test_unsafe_content_is_deleted(field: Field) -> None:
    pack = field.release_pack()
    field.update()
    field.roll_out(pack.sha256, withdrawn=True, severity="unsafe")
    field.update()
    assert not StoreReader(field.store).content_path(pack.sha256).exists()


def test_content_that_is_not_unsafe_is_kept(field: Field) -> None:
    pack = field.release_pack()
    field.update()
    field.roll_out(pack.sha256, withdrawn=True)
    field.update()
    assert StoreReader(field.store).content_path(pack.sha256).exists()


def test_the_only_backbone_that_is_withdrawn_goes_on(field: Field) -> None:
    bundle = field.active.bundle
    assert bundle is not None
    field.roll_out(bundle.sha256, withdrawn=True)
    assert actions(field.update()) == []
    assert field.active.bundle == bundle


def test_a_release_above_the_withdrawn_one_is_installed(field: Field) -> None:
    bad = field.release_pack()
    field.update()
    field.roll_out(bad.sha256, withdrawn=True)
    good = field.release_pack(version=2, release_counter=2)
    assert actions(field.update()) == ["withdrawn", "installed"]
    assert field.versions == {"leaves": good.sha256}
