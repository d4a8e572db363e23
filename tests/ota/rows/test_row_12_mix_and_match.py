"""Row 12: files of several moments or makers are never taken for one release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecl_runtime.errors import IntegrityError, TransferError, UpdateError
from edgecl_runtime.ota.limits import Deadline
from edgecl_runtime.ota.origin import Body
from edgecl_runtime.ota.release import PackRelease, role_of
from edgecl_runtime.ota.transfer import Item
from edgecl_runtime.store import Store
from tests.ota.downloads import fetch
from tests.ota.simulator import BACKBONE, DeviceStub, MemoryOrigin, Simulator

Attack = Callable[[Simulator], None]
BB = role_of(BACKBONE)


def another_snapshot_of_the_same_version(sim: Simulator) -> None:
    timestamp = sim.files["metadata/timestamp.json"]
    sim.snapshot.version -= 1
    sim.snapshot.meta[f"{BB}.json"].version -= 1
    sim.publish_snapshot()
    sim.files["metadata/timestamp.json"] = timestamp


def another_role_of_the_same_version(role: str) -> Attack:
    def attack(sim: Simulator) -> None:
        meta = sim.snapshot.meta[f"{role}.json"]
        sim.role(role).version -= 1
        sim.role(role).unrecognized_fields["other"] = "content"
        sim.publish_role(role)
        sim.snapshot.meta[f"{role}.json"] = meta

    return attack


def old_role_under_the_new_name(role: str) -> Attack:
    def attack(sim: Simulator) -> None:
        sim.files[f"metadata/2.{role}.json"] = sim.files[f"metadata/1.{role}.json"]

    return attack


def role_of_another_repository(sim: Simulator) -> None:
    other = Simulator()
    other.publish()
    sim.files[f"metadata/2.{BB}.json"] = other.files[f"metadata/2.{BB}.json"]


ATTACKS: dict[str, Attack] = {
    "another snapshot of the same version": another_snapshot_of_the_same_version,
    "another targets of the same version": another_role_of_the_same_version("targets"),
    "another bb of the same version": another_role_of_the_same_version(BB),
    "the old targets as the new one": old_role_under_the_new_name("targets"),
    "the old bb as the new one": old_role_under_the_new_name(BB),
    "the bb of another repository": role_of_another_repository,
}


@pytest.fixture
def sim() -> Simulator:
    sim = Simulator()
    sim.add_pack(b"the first pack")
    sim.publish()
    return sim


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_parts_that_were_not_published_together_are_refused(
    attack: Attack, sim: Simulator, tmp_path: Path
) -> None:
    attack(sim)
    with pytest.raises(IntegrityError):
        DeviceStub(tmp_path, sim.root_bytes()).packs(sim.files)


def test_a_pack_in_the_place_of_another_is_refused(sim: Simulator, tmp_path: Path) -> None:
    first, second = sim.add_pack(b"one pack", task="a"), sim.add_pack(b"2nd pack", task="b")
    sim.publish()
    place, other = place_of(first), place_of(second)
    sim.files[place] = sim.files[other]
    with pytest.raises(IntegrityError):
        fetch(sim.origin(), tmp_path / "partial", item=Item(place, first.length, first.sha256))


def place_of(release: PackRelease) -> str:
    folder, _, name = release.path.rpartition("/")
    return f"targets/{folder}/{release.sha256}.{name}"


@dataclass
class PublishingOrigin(MemoryOrigin):
    """Publishes something new just before the snapshot is asked for."""

    publish: Callable[[], None] = lambda: None

    @contextmanager
    def open(self, path: str, *, start: int = 0, deadline: Deadline) -> Iterator[Body]:
        if path.endswith("snapshot.json"):
            self.publish()
        with super().open(path, start=start, deadline=deadline) as body:
            yield body


def test_a_publication_during_an_update_is_seen_by_the_next_one(sim: Simulator, tmp_path: Path) -> None:
    device = DeviceStub(tmp_path, sim.root_bytes())
    with Store.open(device.state) as store:
        trust = device.trust(PublishingOrigin(sim.files, publish=sim.publish), store)
        assert trust.refresh().versions["timestamp"] == 2
    assert device.refresh(sim.files).versions["timestamp"] == 3


def test_a_mirror_that_lags_behind_its_timestamp_is_left_until_it_has_caught_up(
    sim: Simulator, tmp_path: Path
) -> None:
    device = DeviceStub(tmp_path, sim.root_bytes())
    late = sim.files.pop("metadata/2.snapshot.json")
    with pytest.raises(TransferError) as caught:
        device.refresh(sim.files)
    assert caught.value.reason == "http-404"
    sim.files["metadata/2.snapshot.json"] = late
    assert device.refresh(sim.files).is_new


def test_every_refusal_is_an_update_error(sim: Simulator, tmp_path: Path) -> None:
    sim.files = dict.fromkeys(sim.files, b"{}") | {"metadata/1.root.json": sim.root_bytes()}
    with pytest.raises(UpdateError):
        DeviceStub(tmp_path, sim.root_bytes()).refresh(sim.files)
