"""Row 19: a rollout reaches the share of devices it says, the same ones while it grows, others for another salt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.release import Rollout
from edgecl_runtime.ota.select import BUCKETS, bucket, is_offered
from tests.ota.offers import BACKBONE, NOW, digest, make_release, make_rollout, make_selector

CONTENT = digest("content")
MANY = [f"device-{number}" for number in range(100_000)]
FEW = MANY[:2_000]


def reached(rollout: Rollout, devices: list[str] = FEW) -> set[str]:
    return {name for name in devices if is_offered(rollout, device_id=name, sha256=rollout.sha256, now=NOW)}


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 100])
def test_a_rollout_reaches_its_share_of_100_000_devices(percent: float) -> None:
    share = 100 * len(reached(make_rollout(CONTENT, percent=percent), MANY)) / len(MANY)
    assert share == pytest.approx(percent, abs=0.3)


@pytest.mark.parametrize("percent", [0, 100])
def test_nobody_and_everybody_are_exact(percent: float) -> None:
    assert len(reached(make_rollout(CONTENT, percent=percent))) == len(FEW) * percent // 100


@given(st.floats(0, 100), st.floats(0, 100), st.text(max_size=8))
def test_a_rollout_that_grows_keeps_its_members(first: float, second: float, device_id: str) -> None:
    smaller, larger = sorted((first, second))
    has = is_offered(make_rollout(CONTENT, percent=smaller), device_id=device_id, sha256=CONTENT, now=NOW)
    keeps = is_offered(make_rollout(CONTENT, percent=larger), device_id=device_id, sha256=CONTENT, now=NOW)
    assert keeps or not has


@pytest.mark.parametrize("changes", [{"salt": "second"}, {"sha256": digest("other")}])
def test_another_salt_or_content_reaches_other_devices_first(changes: dict[str, str]) -> None:
    first = make_rollout(CONTENT, percent=10)
    second = make_rollout(changes.get("sha256", CONTENT), percent=10, salt=changes.get("salt", "first"))
    # 200 of 2,000 each: by chance 20 are in both.
    assert len(reached(first) & reached(second)) < 50


@given(st.text(max_size=20), st.text(max_size=20))
def test_every_device_has_a_bucket(device_id: str, salt: str) -> None:
    assert 0 <= bucket(device_id, salt=salt, sha256=CONTENT) < BUCKETS


def test_the_bucket_of_a_device_is_what_the_format_says() -> None:
    # sha256("salt|device|content") as an integer, mod 10,000; the number is from sha256sum and bc.
    assert bucket("device", salt="salt", sha256="content") == 3201


def test_a_device_without_an_id_waits_for_everybody() -> None:
    almost, full = make_rollout(CONTENT, percent=99.9), make_rollout(CONTENT, percent=100)
    assert not is_offered(almost, device_id=None, sha256=CONTENT, now=NOW)
    assert is_offered(full, device_id=None, sha256=CONTENT, now=NOW)


def test_what_has_no_rollout_is_for_everybody() -> None:
    assert is_offered(None, device_id=None, sha256=CONTENT, now=NOW)


def test_nobody_gets_it_before_its_time() -> None:
    rollout = make_rollout(CONTENT, not_before=NOW + timedelta(seconds=1))
    assert not is_offered(rollout, device_id="a", sha256=CONTENT, now=NOW)
    assert is_offered(rollout, device_id="a", sha256=CONTENT, now=NOW + timedelta(seconds=1))


def test_everybody_gets_it_from_the_deadline_on() -> None:
    rollout = make_rollout(CONTENT, percent=0, deadline=NOW)
    assert not is_offered(rollout, device_id="a", sha256=CONTENT, now=NOW - timedelta(seconds=1))
    assert is_offered(rollout, device_id="a", sha256=CONTENT, now=NOW)


def test_a_device_outside_a_rollout_gets_the_release_before() -> None:
    old, new = make_release(), make_release(version=2)
    choice = make_selector(make_rollout(new.sha256, percent=0)).packs([old, new], {}, backbone=BACKBONE)
    assert choice.install == (old,)
    assert [held.reason for held in choice.held] == ["rollout"]


def test_a_task_that_is_not_wanted_is_not_looked_at() -> None:
    device = Device("a", tasks=frozenset({"steel"}))
    choice = make_selector(device=device).packs([make_release()], {}, backbone=BACKBONE)
    assert (choice.install, choice.held) == ((), ())
