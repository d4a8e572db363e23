"""Row 8: no role ever goes back, and none disappears, even if the online keys sign it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile

from edgecl_runtime.errors import RollbackError
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT, role_of
from tests.ota.simulator import BACKBONE, DeviceStub, Simulator

Attack = Callable[[Simulator, dict[str, bytes], dict[str, MetaFile]], None]


def replay_everything(sim: Simulator, old: dict[str, bytes], _: dict[str, MetaFile]) -> None:
    sim.files = old


def replay_timestamp(sim: Simulator, old: dict[str, bytes], _: dict[str, MetaFile]) -> None:
    sim.files["metadata/timestamp.json"] = old["metadata/timestamp.json"]


def sign_a_lower_timestamp(sim: Simulator, *_: object) -> None:
    sim.timestamp.version = 0
    sim.publish_timestamp()


def sign_an_older_snapshot(sim: Simulator, _: object, old: dict[str, MetaFile]) -> None:
    sim.timestamp.snapshot_meta = old["snapshot.json"]
    sim.publish_timestamp()


def older(role: str) -> Attack:
    def attack(sim: Simulator, _: object, old: dict[str, MetaFile]) -> None:
        sim.snapshot.meta[f"{role}.json"] = old[f"{role}.json"]
        sim.publish_snapshot()
        sim.publish_timestamp()

    return attack


def without(role: str) -> Attack:
    def attack(sim: Simulator, *_: object) -> None:
        del sim.snapshot.meta[f"{role}.json"]
        sim.publish_snapshot()
        sim.publish_timestamp()

    return attack


SIGNERS = ("targets", role_of(BACKBONE), BACKBONES, ROLLOUT)
ATTACKS: dict[str, Attack] = {
    "all of it is an old copy": replay_everything,
    "an old timestamp": replay_timestamp,
    "a timestamp of a lower version, signed anew": sign_a_lower_timestamp,
    "a timestamp that names an older snapshot": sign_an_older_snapshot,
    **{f"a snapshot that names an older {role}": older(role) for role in SIGNERS},
    **{f"a snapshot without {role}": without(role) for role in SIGNERS},
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_going_back_is_refused_and_stays_refused(attack: Attack, tmp_path: Path) -> None:
    sim = Simulator()
    old = sim.saved()
    old_meta = {**sim.snapshot.meta, "snapshot.json": sim.timestamp.snapshot_meta}
    sim.publish()
    device = DeviceStub(tmp_path, sim.root_bytes())
    accepted = device.refresh(sim.files)

    attack(sim, old, old_meta)

    for _ in range(2):
        with pytest.raises(RollbackError):
            device.refresh(sim.files)
    assert device.seen().versions == accepted.versions


def test_after_an_attack_the_true_repository_is_followed_again(tmp_path: Path) -> None:
    sim = Simulator()
    old = sim.saved()
    sim.publish()
    device = DeviceStub(tmp_path, sim.root_bytes())
    device.refresh(sim.files)
    with pytest.raises(RollbackError):
        device.refresh(old)
    sim.publish()
    assert device.refresh(sim.files).is_new
