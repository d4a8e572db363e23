"""Row 13: keys that are wrong, too few, replaced or revoked. `make conformance` runs TUF's own 113 cases."""

from __future__ import annotations

from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from edgecl_runtime.errors import IntegrityError, RollbackError, UpdateError
from edgecl_runtime.ota.release import role_of
from tests.ota.simulator import BACKBONE, DeviceStub, Simulator

BB = role_of(BACKBONE)


@pytest.fixture
def sim() -> Simulator:
    sim = Simulator()
    sim.add_pack(b"pack")
    sim.publish()
    return sim


@pytest.fixture
def device(sim: Simulator, tmp_path: Path) -> DeviceStub:
    return DeviceStub(tmp_path, sim.root_bytes())


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", BB])
def test_a_role_signed_by_a_key_nobody_named_is_refused(
    role: str, sim: Simulator, device: DeviceStub
) -> None:
    sim.signers[role] = [CryptoSigner.generate_ed25519()]
    sim.publish()
    with pytest.raises(IntegrityError) as caught:
        device.packs(sim.files)
    assert caught.value.reason == "signature"


def test_one_key_that_signs_twice_does_not_reach_a_threshold_of_two(
    sim: Simulator, device: DeviceStub
) -> None:
    sim.set_keys("timestamp", count=2, threshold=2)
    sim.publish_root()
    sim.signers["timestamp"] = sim.signers["timestamp"][:1] * 2
    sim.publish()
    with pytest.raises(IntegrityError, match="1/2"):
        device.refresh(sim.files)


def test_another_repository_is_not_this_one(device: DeviceStub) -> None:
    with pytest.raises(IntegrityError):
        device.refresh(Simulator().files)


def test_an_anchor_that_is_no_root_is_refused(sim: Simulator, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        DeviceStub(tmp_path, b"{}").refresh(sim.files)


def test_a_root_signed_by_one_of_three_is_refused(sim: Simulator, device: DeviceStub) -> None:
    sim.signers["root"] = sim.signers["root"][:1]
    sim.root_signers = []
    sim.publish_root()
    with pytest.raises(IntegrityError):
        device.refresh(sim.files)


def test_a_root_version_cannot_be_skipped(sim: Simulator, device: DeviceStub) -> None:
    sim.root.version += 1
    sim.publish_root()
    sim.files["metadata/2.root.json"] = sim.files["metadata/3.root.json"]
    with pytest.raises(RollbackError):
        device.refresh(sim.files)


def test_thirty_rotations_of_the_root_keys_are_walked(sim: Simulator, device: DeviceStub) -> None:
    for _ in range(30):
        sim.set_keys("root", count=3, threshold=2)
        sim.publish_root()
    assert device.refresh(sim.files).versions["root"] == 31


def test_a_revoked_key_signs_nothing_any_more(sim: Simulator, device: DeviceStub) -> None:
    stolen = sim.signers["timestamp"]
    sim.set_keys("timestamp")
    sim.publish_root()
    sim.signers["timestamp"] = stolen
    sim.publish()
    with pytest.raises(IntegrityError):
        device.refresh(sim.files)


def test_a_new_timestamp_key_ends_what_a_thief_of_it_fast_forwarded(
    sim: Simulator, device: DeviceStub
) -> None:
    sim.timestamp.version = 10**9
    sim.publish()
    device.refresh(sim.files)
    sim.timestamp.version = 5
    sim.set_keys("timestamp")
    sim.publish_root()
    sim.publish()
    device.refresh(sim.files)
    assert device.seen().versions["timestamp"] == 6


def test_new_online_keys_end_what_a_thief_of_all_keys_fast_forwarded(
    sim: Simulator, device: DeviceStub
) -> None:
    sim.timestamp.version = sim.snapshot.version = sim.targets.version = 10**9
    sim.publish()
    device.refresh(sim.files)
    sim.timestamp.version = sim.snapshot.version = sim.targets.version = 5
    sim.set_keys("timestamp")
    sim.set_keys("snapshot")
    sim.publish_root()
    sim.publish()
    device.refresh(sim.files)
    assert [device.seen().versions[role] for role in ("timestamp", "snapshot", "targets")] == [6, 6, 6]


def test_new_online_keys_do_not_bring_an_old_root_back(sim: Simulator, device: DeviceStub) -> None:
    old = sim.saved()
    sim.set_keys("timestamp")
    sim.publish_root()
    sim.publish()
    device.refresh(sim.files)
    with pytest.raises(UpdateError):
        DeviceStub(device.state, sim.root_bytes()).refresh(old)
