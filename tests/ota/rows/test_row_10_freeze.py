"""Row 10: metadata that has expired is refused, from the very second on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from edgecl_runtime.errors import FreezeError
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT, role_of
from tests.ota.simulator import BACKBONE, NOW, DeviceStub, FakeClock, Simulator

END = NOW + timedelta(days=1)
TOP_LEVEL = ("root", "timestamp", "snapshot", "targets")
DELEGATED = (role_of(BACKBONE), BACKBONES, ROLLOUT)
SECOND = timedelta(seconds=1)


def expiring(role: str) -> Simulator:
    sim = Simulator()
    sim.add_pack(b"pack")
    sim.expires[role] = END
    sim.publish_root()
    sim.publish()
    return sim


def follow(sim: Simulator, state: Path, late: timedelta) -> None:
    DeviceStub(state, sim.root_bytes(), clock=FakeClock(END + late)).follow(sim.files)


@pytest.mark.parametrize("role", TOP_LEVEL + DELEGATED)
def test_the_second_before_it_expires_it_is_followed(role: str, tmp_path: Path) -> None:
    follow(expiring(role), tmp_path, -SECOND)


@pytest.mark.parametrize("late", [timedelta(0), SECOND, timedelta(days=4)])
@pytest.mark.parametrize("role", TOP_LEVEL + DELEGATED)
def test_from_the_second_it_expires_it_is_refused(role: str, late: timedelta, tmp_path: Path) -> None:
    with pytest.raises(FreezeError):
        follow(expiring(role), tmp_path, late)


def test_a_device_that_was_off_for_long_follows_fresh_metadata(tmp_path: Path) -> None:
    sim = Simulator()
    clock = FakeClock()
    device = DeviceStub(tmp_path, sim.root_bytes(), clock=clock)
    device.follow(sim.files)
    sim.now = clock.time = NOW + timedelta(days=400)
    sim.publish_root()
    sim.publish()
    device.follow(sim.files)
    assert device.seen().versions["timestamp"] == 2


def test_an_expired_copy_changes_nothing_on_record(tmp_path: Path) -> None:
    sim = Simulator()
    device = DeviceStub(tmp_path, sim.root_bytes())
    device.refresh(sim.files)
    before = device.seen()
    sim.publish()
    device.clock = FakeClock(NOW + timedelta(days=8))
    with pytest.raises(FreezeError):
        device.refresh(sim.files)
    assert device.seen() == before
