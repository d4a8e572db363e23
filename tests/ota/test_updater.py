from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecl_export.repository import copy_for_usb, set_rollout, withdraw
from edgecl_runtime import FieldError, InputError, Runtime, StoreError, UpdateBusyError
from edgecl_runtime.ota import Candidate, Report, Updater
from edgecl_runtime.ota.config import CONFIG_FILE, read_config
from edgecl_runtime.ota.setup import set_up
from edgecl_runtime.store import Store, StoreReader
from tests.export.repository.factories import NOW, keyring, make_repository, make_signers, pack
from tests.ota.fleet import Clock, Fleet, make_fleet
from tests.runtime.factories import IMAGE_PACKS


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path)


def actions(report: Report) -> list[tuple[str, str | None]]:
    return [(change.action, change.task) for change in report.changes]


def names(report: Report) -> list[str]:
    return [type(error).__name__ for error in report.errors]


def test_a_new_device_installs_backbone_and_packs(fleet: Fleet) -> None:
    report = fleet.updater().poll()
    assert (report.errors, actions(report)) == ((), [("installed", None), ("installed", "leaves")])
    assert fleet.versions() == {"leaves": 1}


def test_what_is_new_passes_the_self_test_in_a_child(fleet: Fleet) -> None:
    fleet.add(IMAGE_PACKS / "steel-2.ecpack")
    report = Updater(fleet.store, clock=Clock()).poll()
    # The pack "leaves" of these tests expects features that no backbone gives.
    assert names(report) == ["UpdateProbeError"]


def test_a_poll_without_news_takes_two_requests_and_changes_nothing(fleet: Fleet) -> None:
    first = fleet.updater().poll()
    report = fleet.updater().poll()
    assert (report.requests, report.changes, report.generation) == (2, (), first.generation)


def test_a_new_version_is_installed_and_can_be_taken_back(fleet: Fleet) -> None:
    fleet.updater().poll()
    fleet.release(2)
    fleet.updater().poll()
    assert fleet.versions() == {"leaves": 2}
    assert actions(fleet.updater().revert("leaves")) == [("reverted", "leaves")]
    assert fleet.versions() == {"leaves": 1}


def test_what_was_taken_back_is_not_installed_again_until_it_is_released_again(fleet: Fleet) -> None:
    fleet.updater().poll()
    second = fleet.release(2)
    fleet.updater().poll()
    fleet.updater().revert("leaves")
    fleet.updater().poll()
    assert fleet.versions() == {"leaves": 1}
    fleet.add(second, again=True)
    fleet.updater().poll()
    assert fleet.versions() == {"leaves": 2}


def test_an_old_version_that_is_released_again_is_not_fetched_again(fleet: Fleet) -> None:
    fleet.updater().poll()
    fleet.release(2)
    fleet.updater().poll()
    before = contents(fleet)
    fleet.add(pack(fleet.folder), again=True)
    fleet.updater().poll()
    assert fleet.versions() == {"leaves": 1}
    assert contents(fleet) == before


def contents(fleet: Fleet) -> set[str]:
    """Return the contents that the store holds."""
    return {path.name for path in (fleet.store / "store").iterdir()}


def test_a_staged_rollout_reaches_a_device_when_it_is_widened(fleet: Fleet) -> None:
    fleet.updater().poll()
    fleet.release(2, percent=0, salt="one")
    report = fleet.updater().poll()
    assert [held.reason for held in report.held] == ["rollout"]
    set_rollout(fleet.repository, keyring(fleet.signers), ["leaves-2"], percent=100, now=NOW)
    fleet.updater().poll()
    assert fleet.versions() == {"leaves": 2}


def test_a_withdrawn_version_is_left(fleet: Fleet) -> None:
    fleet.updater().poll()
    fleet.release(2)
    fleet.updater().poll()
    withdraw(fleet.repository, keyring(fleet.signers), ["leaves-2"], now=NOW)
    assert actions(fleet.updater().poll()) == [("withdrawn", "leaves")]
    assert fleet.versions() == {"leaves": 1}


def test_a_repository_that_is_gone_is_reported_and_changes_nothing(fleet: Fleet) -> None:
    fleet.updater().poll()
    set_up(fleet.store, repository="http://127.0.0.1:1/")
    report = fleet.updater().poll()
    assert names(report) == ["TransferError"]
    assert report.exit_code == 4
    assert fleet.versions() == {"leaves": 1}


def test_expired_metadata_stops_updates_and_nothing_else(fleet: Fleet) -> None:
    fleet.updater().poll()
    report = fleet.updater(clock=Clock(NOW.replace(year=NOW.year + 1))).poll()
    assert report.exit_code != 0
    assert fleet.versions() == {"leaves": 1}


def test_another_root_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other", make_signers())
    set_up(fleet.store, root=other / "metadata" / "1.root.json")
    report = fleet.updater().poll()
    assert report.exit_code == 5
    assert report.changes == ()


def test_a_copy_on_a_drive_is_installed_with_the_same_checks(fleet: Fleet, tmp_path: Path) -> None:
    copy_for_usb(fleet.repository, tmp_path / "usb", keyring=keyring(fleet.signers), now=NOW, days=30)
    report = fleet.updater().install_from(tmp_path / "usb")
    assert report.errors == ()
    assert fleet.versions() == {"leaves": 1}


def test_a_folder_that_is_not_there_is_refused(fleet: Fleet) -> None:
    with pytest.raises(InputError, match="found no folder"):
        fleet.updater().install_from(fleet.folder / "nothing")


def test_a_device_that_was_not_set_up_says_how(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="edgecl-device update --repository"):
        Updater(tmp_path).poll()


def test_one_updater_at_a_time(fleet: Fleet) -> None:
    with Store.open(fleet.store), pytest.raises(UpdateBusyError):
        fleet.updater().poll()


def test_no_more_than_the_bytes_of_a_day_are_fetched(fleet: Fleet) -> None:
    set_up(fleet.store, daily_bytes=1000)
    report = fleet.updater().poll()
    assert names(report) == ["QuotaError"]
    assert report.changes == ()


def test_the_bytes_of_a_day_are_counted_over_updates(fleet: Fleet) -> None:
    fleet.updater().poll()
    spent = sum(path.stat().st_size for path in (fleet.store / "store").iterdir())
    set_up(fleet.store, daily_bytes=spent)
    fleet.release(2)
    assert names(fleet.updater().poll()) == []
    fleet.release(3)
    set_up(fleet.store, daily_bytes=pack(fleet.folder, version=2).stat().st_size)
    assert names(fleet.updater().poll()) == ["QuotaError"]


def test_a_quota_that_is_too_small_fetches_nothing(fleet: Fleet) -> None:
    set_up(fleet.store, quota_bytes=1000)
    report = fleet.updater().poll()
    assert names(report) == ["QuotaError"]
    assert list((fleet.store / "store").iterdir()) == []


def test_only_the_tasks_that_are_wanted_are_installed(fleet: Fleet) -> None:
    fleet.release(task="steel")
    set_up(fleet.store, tasks=frozenset({"steel"}))
    fleet.updater().poll()
    assert fleet.versions() == {"steel": 1}


def test_an_app_is_asked_about_new_content(fleet: Fleet) -> None:
    asked: list[Candidate] = []

    def agree(candidate: Candidate) -> bool:
        asked.append(candidate)
        return True

    updater = fleet.updater()
    updater.on_probe(agree)
    assert names(updater.poll()) == []
    assert [set(candidate.packs) for candidate in asked] == [{"leaves"}]


def test_content_that_rots_is_fetched_again(fleet: Fleet) -> None:
    fleet.updater().poll()
    record = StoreReader(fleet.store).state().active.packs["leaves"]
    path = fleet.store / "store" / record.sha256
    path.chmod(0o644)
    path.write_bytes(b"rotten" * 1000)
    report = fleet.updater().poll()
    assert names(report) == ["IntegrityError"]
    assert actions(report) == [("damaged", "leaves"), ("installed", "leaves")]
    assert fleet.versions() == {"leaves": 1}


def test_a_backbone_that_rots_is_fetched_again(fleet: Fleet) -> None:
    fleet.updater().poll()
    bundle = StoreReader(fleet.store).state().active.bundle
    assert bundle is not None
    path = fleet.store / "store" / bundle.files["backbone.onnx"].sha256
    path.chmod(0o644)
    path.write_bytes(b"rotten" * 1000)
    assert names(fleet.updater().poll()) == ["IntegrityError"]
    assert Runtime.open(fleet.store).tasks == ("leaves",)


def test_a_state_that_is_lost_is_built_again(fleet: Fleet) -> None:
    fleet.updater().poll()
    for path in fleet.store.glob("active.json*"):
        path.write_bytes(b"rotten")
    report = fleet.updater().poll()
    assert names(report)[0] == "StateLostError"
    assert fleet.versions() == {"leaves": 1}


def test_a_report_is_one_json_object(fleet: Fleet) -> None:
    said = json.loads(json.dumps(fleet.updater().poll().to_json()))
    assert [change["task"] for change in said["changes"]] == [None, "leaves"]


def test_a_new_device_needs_a_repository_and_a_root(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--root"):
        set_up(tmp_path / "device", repository="http://127.0.0.1/")
    assert not (tmp_path / "device").exists()


def test_a_wrong_value_is_refused_before_anything_is_written(fleet: Fleet, tmp_path: Path) -> None:
    root = fleet.repository / "metadata" / "1.root.json"
    with pytest.raises(FieldError, match="quota_bytes"):
        set_up(tmp_path / "new", repository=str(fleet.repository), root=root, quota_bytes=-1)
    assert not (tmp_path / "new").exists()


def test_every_device_gets_an_id_of_its_own(fleet: Fleet, tmp_path: Path) -> None:
    root = fleet.repository / "metadata" / "1.root.json"
    ids = {
        set_up(tmp_path / name, repository=str(fleet.repository), root=root).device.device_id
        for name in "abc"
    }
    assert len(ids) == 3


def test_a_set_up_that_is_changed_keeps_the_rest(fleet: Fleet) -> None:
    before = read_config(fleet.store)
    after = set_up(fleet.store, line="beta", device_class="rpi5")
    assert after == read_config(fleet.store)
    assert (after.device.line, after.device.device_class) == ("beta", "rpi5")
    assert (after.repository, after.device.device_id) == (before.repository, before.device.device_id)


@pytest.mark.parametrize(
    ("key", "value"),
    [("quota_bytes", -1), ("tasks", []), ("line", ""), ("probe", {}), ("unknown", 1), ("device_id", 3)],
)
def test_a_damaged_set_up_is_named(fleet: Fleet, key: str, value: object) -> None:
    path = fleet.store / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(StoreError, match=key):
        fleet.updater().poll()
