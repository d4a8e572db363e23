from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgecl_runtime.errors import IntegrityError, ReleaseError, TransferError
from edgecl_runtime.ota.limits import Limits
from edgecl_runtime.ota.metadata_fetcher import MetadataFetcher
from edgecl_runtime.ota.origin import open_origin
from edgecl_runtime.ota.release import Rollout, role_of
from edgecl_runtime.ota.trust import Trust
from edgecl_runtime.store import HighWater, Store
from tests.ota.downloads import PATIENT, SLOW_IS_LATE
from tests.ota.fault_server import Answer, FaultServer, drip, endless, head, raw, serve, serve_tree, status
from tests.ota.simulator import BACKBONE, OTHER_BACKBONE, DeviceStub, FakeClock, Simulator


@dataclass
class NotedHighWater:
    """A record in memory that notes what it was raised to."""

    record: HighWater = field(default_factory=HighWater)
    raised: list[HighWater] = field(default_factory=list)

    def load(self) -> HighWater:
        return self.record

    def raise_to(self, accepted: HighWater) -> HighWater:
        self.raised.append(accepted)
        self.record = self.record.raised_to(accepted)
        return self.record


@pytest.fixture
def sim() -> Simulator:
    sim = Simulator()
    sim.delegate(role_of(OTHER_BACKBONE), f"packs/{OTHER_BACKBONE[:12]}/*")
    sim.publish()
    return sim


@pytest.fixture
def device(sim: Simulator, tmp_path: Path) -> DeviceStub:
    return DeviceStub(tmp_path, sim.root_bytes())


def asked_by_a_poll(sim: Simulator, device: DeviceStub) -> list[str]:
    origin = sim.origin()
    with Store.open(device.state) as store:
        trust = device.trust(origin, store)
        trust.refresh()
        trust.packs(BACKBONE)
        trust.bundles()
        trust.rollouts()
    return [path.removeprefix("metadata/") for path in origin.asked]


def test_a_poll_without_news_takes_two_requests(sim: Simulator, device: DeviceStub) -> None:
    asked_by_a_poll(sim, device)
    assert asked_by_a_poll(sim, device) == ["2.root.json", "timestamp.json"]


def test_a_poll_fetches_the_role_of_its_own_backbone_alone(sim: Simulator, device: DeviceStub) -> None:
    asked = asked_by_a_poll(sim, device)
    assert f"2.{role_of(BACKBONE)}.json" in asked
    assert not any(role_of(OTHER_BACKBONE) in path for path in asked)


def test_what_was_released_is_offered(sim: Simulator, device: DeviceStub) -> None:
    pack = sim.add_pack(b"pack")
    bundle = sim.add_bundle({"bundle.json": b"{}", "backbone.onnx": b"graph"})
    rollout = Rollout(sha256=pack.sha256, percent=10.0, salt="a")
    sim.set_rollout(rollout)
    sim.publish()
    with Store.open(device.state) as store:
        trust = device.trust(sim.origin(), store)
        assert trust.refresh().is_new
        assert trust.packs(BACKBONE) == (pack,)
        assert trust.bundles() == (bundle,)
        assert trust.rollouts() == {pack.sha256: rollout}


def test_a_backbone_without_a_role_has_no_packs(sim: Simulator, device: DeviceStub) -> None:
    assert device.packs(sim.files, "ef" * 32) == ()


def test_any_target_is_found_with_its_place_and_digest(sim: Simulator, device: DeviceStub) -> None:
    pack = sim.add_pack(b"pack", task="a.b-c")
    sim.publish()
    with Store.open(device.state) as store:
        trust = device.trust(sim.origin(), store)
        trust.refresh()
        item = trust.find(pack.path)
        assert item is not None
        assert (item.length, item.digest) == (4, pack.sha256)
        assert sim.files[item.path] == b"pack"
        assert trust.find("packs/none/of-these.ecpack") is None


def test_a_target_without_a_known_digest_is_refused(sim: Simulator, device: DeviceStub) -> None:
    pack = sim.add_pack(b"pack")
    target = sim.role(role_of(BACKBONE)).targets[pack.path]
    target.hashes = {"md5": "0" * 32}
    sim.publish()
    with Store.open(device.state) as store:
        trust = device.trust(sim.origin(), store)
        trust.refresh()
        with pytest.raises(ReleaseError, match="md5"):
            trust.find(pack.path)


def test_what_is_seen_goes_on_record_before_anything_is_offered(sim: Simulator, tmp_path: Path) -> None:
    record = NotedHighWater()
    trust = Trust(tmp_path, root=sim.root_bytes(), origin=sim.origin(), high_water=record, clock=FakeClock())
    trust.refresh()
    assert [accepted.versions["timestamp"] for accepted in record.raised] == [2]
    assert record.record.floor == sim.now


TROUBLE: dict[str, tuple[Answer, str]] = {
    "a drip": (drip(head(200), every_s=0.05), "deadline"),
    "a portal": (raw(head(200, Content_Type="text/html"), b"<html>"), "captive-portal"),
    "an error of the server": (status(500), "http-500"),
}


@pytest.mark.parametrize(("answer", "reason"), TROUBLE.values(), ids=TROUBLE)
def test_a_root_that_does_not_come_is_not_taken_for_the_newest(answer: Answer, reason: str) -> None:
    with FaultServer([answer]) as server, open_origin(server.url) as origin:
        fetcher = MetadataFetcher(origin, limits=SLOW_IS_LATE, sleep=lambda _: None, draw=lambda: 0.0)
        with pytest.raises(TransferError) as caught:
            fetcher.download_bytes("metadata/2.root.json", 512_000)
    assert caught.value.reason == reason


def test_metadata_is_tried_again_like_packs() -> None:
    with FaultServer([status(503), raw(b""), serve(b"{}")]) as server, open_origin(server.url) as origin:
        fetcher = MetadataFetcher(origin, limits=PATIENT, sleep=lambda _: None)
        assert fetcher.download_bytes("metadata/timestamp.json", 16_384) == b"{}"


def test_endless_metadata_is_cut_off_where_it_must_end() -> None:
    with FaultServer([endless(head(200))]) as server, open_origin(server.url) as origin:
        with pytest.raises(IntegrityError, match="16384"):
            MetadataFetcher(origin, limits=PATIENT).download_bytes("metadata/timestamp.json", 16_384)
        assert origin.received <= 16_384 + 65_536


def test_all_metadata_of_an_update_shares_one_deadline(sim: Simulator) -> None:
    limits = Limits(grace_s=0.0)
    with open_origin("http://127.0.0.1:9") as origin, pytest.raises(TransferError) as caught:
        MetadataFetcher(origin, limits=limits).download_bytes("metadata/2.root.json", 9)
    assert caught.value.reason == "deadline"


def test_one_connection_serves_a_whole_poll(sim: Simulator, device: DeviceStub) -> None:
    tree = serve_tree({f"/{name}": content for name, content in sim.files.items()})
    with FaultServer([tree]) as server, open_origin(server.url) as origin:
        with Store.open(device.state) as store:
            device.trust(origin, store).refresh()
        assert (server.accepted, len(server.requests)) == (1, origin.requests)
