"""Row 9: an old repository looks old also to a device whose cached metadata was lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecl_runtime.errors import RollbackError, StateLostError
from edgecl_runtime.ota.release import ROLLOUT
from edgecl_runtime.ota.trust import METADATA_FOLDER
from edgecl_runtime.store import HighWater
from tests.ota.simulator import DeviceStub, Simulator

Loss = Callable[[Path, Path], None]


def all_gone(cache: Path, backup: Path) -> None:
    shutil.rmtree(cache)


def all_empty(cache: Path, backup: Path) -> None:
    for file in cache.rglob("*.json"):
        file.resolve().write_bytes(b"")


def timestamp_and_snapshot_gone(cache: Path, backup: Path) -> None:
    (cache / "timestamp.json").unlink()
    (cache / "snapshot.json").unlink()


def backup_restored(cache: Path, backup: Path) -> None:
    shutil.rmtree(cache)
    shutil.copytree(backup, cache, symlinks=True)


LOSSES = [all_gone, all_empty, timestamp_and_snapshot_gone, backup_restored]


@pytest.fixture
def sim() -> Simulator:
    return Simulator()


@pytest.fixture
def device(sim: Simulator, tmp_path: Path) -> DeviceStub:
    """A device that has seen version 2, with a backup of what it knew at version 1."""
    device = DeviceStub(tmp_path / "state", sim.root_bytes())
    device.refresh(sim.files)
    shutil.copytree(device.state / METADATA_FOLDER, tmp_path / "backup", symlinks=True)
    return device


@pytest.mark.parametrize("lose", LOSSES)
def test_an_old_copy_of_the_repository_is_refused(
    lose: Loss, sim: Simulator, device: DeviceStub, tmp_path: Path
) -> None:
    old = sim.saved()
    sim.publish()
    device.refresh(sim.files)
    lose(device.state / METADATA_FOLDER, tmp_path / "backup")
    with pytest.raises(RollbackError):
        device.refresh(old)
    assert device.seen().versions["timestamp"] == 2


@pytest.mark.parametrize("lose", LOSSES)
def test_the_true_repository_is_followed_without_the_cache(
    lose: Loss, sim: Simulator, device: DeviceStub, tmp_path: Path
) -> None:
    sim.publish()
    lose(device.state / METADATA_FOLDER, tmp_path / "backup")
    assert device.refresh(sim.files).versions["timestamp"] == 2


def test_a_role_that_was_seen_is_missed_without_the_cache(sim: Simulator, device: DeviceStub) -> None:
    del sim.snapshot.meta[f"{ROLLOUT}.json"]
    sim.publish_snapshot()
    sim.publish_timestamp()
    shutil.rmtree(device.state / METADATA_FOLDER)
    with pytest.raises(RollbackError) as refused:
        device.refresh(sim.files)
    assert refused.value.reason == "role-removed"


def test_a_lost_record_is_said_to_be_lost(sim: Simulator, device: DeviceStub) -> None:
    for file in device.state.glob("highwater.json*"):
        file.unlink()
    with pytest.raises(StateLostError):
        device.refresh(sim.files)


def test_a_root_that_was_seen_is_not_left_for_the_factory_one(sim: Simulator, device: DeviceStub) -> None:
    old = sim.saved()
    sim.publish_root()
    device.refresh(sim.files)
    shutil.rmtree(device.state / METADATA_FOLDER)
    with pytest.raises(RollbackError, match="root"):
        device.refresh(old)


def test_every_role_is_on_record(sim: Simulator, device: DeviceStub) -> None:
    recorded: HighWater = device.seen()
    listed = {name.removesuffix(".json") for name in sim.snapshot.meta}
    assert set(recorded.versions) == listed | {"root", "timestamp", "snapshot"}
