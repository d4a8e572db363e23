"""Row 11: clocks that are behind, ahead or jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgecl_runtime.errors import ClockError, FreezeError
from tests.ota.simulator import NOW, DeviceStub, FakeClock, Simulator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class JumpingClock:
    """Says another time whenever it is asked."""

    times: Iterator[datetime]

    def now(self) -> datetime:
        return next(self.times)


def device_at(sim: Simulator, state: Path, time: datetime) -> DeviceStub:
    return DeviceStub(state, sim.root_bytes(), clock=FakeClock(time))


@pytest.mark.parametrize("behind", [EPOCH, NOW - DAY])
def test_a_clock_behind_what_was_signed_is_not_believed(behind: datetime, tmp_path: Path) -> None:
    sim = Simulator()
    device = device_at(sim, tmp_path, behind)
    device.refresh(sim.files)
    assert device.now(sim.files) == NOW


def test_a_clock_in_1970_does_not_turn_expiry_off(tmp_path: Path) -> None:
    sim = Simulator()
    old = sim.saved()
    sim.now = NOW + 8 * DAY
    sim.publish_root()
    device = DeviceStub(tmp_path, sim.root_bytes(2), clock=FakeClock(EPOCH))
    with pytest.raises(FreezeError):
        device.refresh(old)


def test_a_clock_in_1970_is_an_error_of_its_own_where_nothing_signed_says_the_time(tmp_path: Path) -> None:
    sim = Simulator(signs_time=False)
    with pytest.raises(ClockError) as caught:
        device_at(sim, tmp_path, EPOCH).refresh(sim.files)
    assert caught.value.reason == "clock-unset"


@pytest.mark.parametrize("ahead", [8 * DAY, 3650 * DAY])
def test_a_clock_ahead_of_the_server_is_an_error_of_its_own(ahead: timedelta, tmp_path: Path) -> None:
    sim = Simulator()
    device = device_at(sim, tmp_path, NOW + ahead)
    with pytest.raises(ClockError) as caught:
        device.refresh(sim.files, server_time=NOW)
    assert (caught.value.reason, caught.value.retryable) == ("clock-ahead", True)


@pytest.mark.parametrize("server_time", [None, NOW + 8 * DAY])
def test_expiry_is_a_freeze_where_the_server_does_not_blame_the_clock(
    server_time: datetime | None, tmp_path: Path
) -> None:
    sim = Simulator()
    with pytest.raises(FreezeError):
        device_at(sim, tmp_path, NOW + 8 * DAY).refresh(sim.files, server_time=server_time)


def test_a_signed_time_is_above_what_a_server_says(tmp_path: Path) -> None:
    sim = Simulator()
    old = sim.saved()
    sim.now = NOW + 8 * DAY
    sim.publish_root()
    device = DeviceStub(tmp_path, sim.root_bytes(2), clock=FakeClock(NOW))
    with pytest.raises(FreezeError):
        device.refresh(old, server_time=NOW)


def test_a_clock_that_jumps_during_an_update_changes_nothing(tmp_path: Path) -> None:
    sim = Simulator()
    device = DeviceStub(tmp_path, sim.root_bytes())
    device.clock = JumpingClock(iter([NOW, NOW + 3650 * DAY, NOW - 3650 * DAY]))
    device.follow(sim.files)


def test_the_floor_rises_with_what_is_signed_and_never_sinks(tmp_path: Path) -> None:
    sim = Simulator()
    device = DeviceStub(tmp_path, sim.root_bytes())
    device.refresh(sim.files)
    floors = [device.seen().floor]
    for days in (3, 1):
        sim.now = NOW + days * DAY
        sim.publish()
        device.refresh(sim.files)
        floors.append(device.seen().floor)
    assert floors == [NOW, NOW + 3 * DAY, NOW + 3 * DAY]


def test_a_signed_time_after_its_own_expiry_is_passed_over(tmp_path: Path) -> None:
    sim = Simulator()
    sim.now = NOW + 9 * DAY
    sim.expires["timestamp"] = NOW + DAY
    sim.publish_timestamp()
    device = DeviceStub(tmp_path, sim.root_bytes())
    device.refresh(sim.files)
    assert device.seen().floor == NOW
