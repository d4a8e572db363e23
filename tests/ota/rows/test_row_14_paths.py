"""Row 14: roles that sign beyond their paths, and names that would lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Delegations

from edgecl_runtime.errors import ReleaseError, TransferError
from edgecl_runtime.ota.limits import Deadline, Limits
from edgecl_runtime.ota.origin import open_origin
from edgecl_runtime.ota.release import PackRelease, pack_path, role_of
from edgecl_runtime.store import Store
from tests.ota.simulator import BACKBONE, OTHER_BACKBONE, DeviceStub, Simulator

BB = role_of(BACKBONE)
FOLDER = f"packs/{BACKBONE[:12]}"
STRANGE_PATHS = {
    "of another backbone": f"packs/{OTHER_BACKBONE[:12]}/leaves-1.ecpack",
    "one folder deeper": f"{FOLDER}/deeper/leaves-1.ecpack",
    "one folder up": f"{FOLDER}/../leaves-1.ecpack",
    "absolute": "/etc/passwd",
    "of the file system": f"{FOLDER}/..",
    "of another version": f"{FOLDER}/leaves-2.ecpack",
    "a look-alike in Cyrillic": f"{FOLDER}/le\u0430ves-1.ecpack",
    "in capitals": f"{FOLDER.upper()}/leaves-1.ecpack",
    "with a NUL": f"{FOLDER}/leaves-1.ecpack\x00",
    "of 300 bytes": f"{FOLDER}/{'a' * 300}-1.ecpack",
    "percent-encoded": f"{FOLDER}/leaves%2D1.ecpack",
    "with a backslash": f"{FOLDER}\\leaves-1.ecpack",
}


@pytest.fixture
def sim() -> Simulator:
    return Simulator()


@pytest.fixture
def device(sim: Simulator, tmp_path: Path) -> DeviceStub:
    return DeviceStub(tmp_path / "state", sim.root_bytes())


@pytest.mark.parametrize("path", STRANGE_PATHS.values(), ids=STRANGE_PATHS)
def test_a_pack_at_a_strange_path_is_not_offered(path: str, sim: Simulator, device: DeviceStub) -> None:
    custom = sim.add_pack(b"pack").as_custom()
    sim.role(BB).targets.clear()
    sim.add_target(BB, path, b"pack", custom=custom)
    sim.publish()
    assert device.packs(sim.files) == ()


def test_another_record_beside_a_strange_one_is_offered(sim: Simulator, device: DeviceStub) -> None:
    good = sim.add_pack(b"pack")
    sim.add_target(BB, f"{FOLDER}/leaves-2.ecpack", b"pack", custom=good.as_custom())
    sim.publish()
    with Store.open(device.state) as store:
        trust = device.trust(sim.origin(), store)
        trust.refresh()
        assert trust.packs(BACKBONE) == (good,)
        assert [type(error) for error in trust.refused] == [ReleaseError]


def test_a_role_signs_nothing_for_another_backbone(sim: Simulator, device: DeviceStub) -> None:
    sim.delegate(role_of(OTHER_BACKBONE), f"packs/{OTHER_BACKBONE[:12]}/*")
    custom = sim.add_pack(b"pack").as_custom()
    sim.add_target(role_of(OTHER_BACKBONE), f"{FOLDER}/leaves-1.ecpack", b"pack", custom=custom)
    sim.role(BB).targets.clear()
    sim.publish()
    assert device.packs(sim.files) == ()
    assert device.packs(sim.files, OTHER_BACKBONE) == ()


def test_targets_may_not_release_a_pack_itself(sim: Simulator, device: DeviceStub) -> None:
    custom = sim.add_pack(b"pack").as_custom()
    sim.role(BB).targets.clear()
    sim.add_target("targets", pack_path(BACKBONE, "leaves", 1), b"pack", custom=custom)
    sim.publish()
    assert device.packs(sim.files) == ()


def test_a_cycle_of_delegations_ends(sim: Simulator, device: DeviceStub) -> None:
    assert sim.targets.delegations is not None
    sim.role(BB).delegations = Delegations(sim.targets.delegations.keys, {BB: sim.delegated[BB]})
    good = sim.add_pack(b"pack")
    sim.publish()
    assert device.packs(sim.files) == (good,)


def test_at_most_32_delegations_are_followed(sim: Simulator, device: DeviceStub) -> None:
    for number in range(40):
        sim.delegate(f"role-{number}", "elsewhere/*")
        sim.delegated[f"role-{number}"].terminating = False
    sim.publish()
    origin = sim.origin()
    with Store.open(device.state) as store:
        trust = device.trust(origin, store)
        trust.refresh()
        assert trust.find("elsewhere/x") is None
    assert sum("role-" in path for path in origin.asked) == 32


@pytest.mark.parametrize(
    "path", ["../secret", "targets/../../secret", "/secret", "%2e%2e/secret", "link", "."]
)
def test_nothing_outside_the_folder_of_a_repository_is_read(path: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "link").symlink_to(tmp_path / "secret")
    with (
        open_origin(tmp_path / "repository") as origin,
        pytest.raises(TransferError),
        origin.open(path, deadline=Deadline(Limits())),
    ):
        pass


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=64))
def test_no_other_path_is_taken_for_a_release(path: str, sim: Simulator) -> None:
    release = sim.add_pack(b"pack")
    with pytest.raises(ReleaseError):
        PackRelease.from_custom(path, length=4, sha256=release.sha256, custom=release.as_custom())
