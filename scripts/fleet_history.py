"""The history of one repository, published for real and read as a device reads it: what `simulate_fleet.py` polls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copytree

from edgecl_export.repository import (
    AddOptions,
    RoleKeys,
    add_releases,
    check_repository,
    create_repository,
    set_rollout,
    withdraw,
)
from edgecl_runtime import Dimensions
from edgecl_runtime.ota.origin import open_origin
from edgecl_runtime.ota.release import BundleRelease, PackRelease, Rollout, role_of
from edgecl_runtime.ota.trust import Trust
from scripts.repository_workload import FixedClock, Memory, make_bundle, make_keyring, make_pack

HOUR_S = 3_600.0
TASKS = ("bugs", "leaves", "rust", "seeds", "soil")
DIMENSIONS = Dimensions(layers=12, width=192, heads=3, head_dim=64)
GRAPH_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """The verified records of a repository at one moment; what a device calls a catalogue."""

    bundle_releases: tuple[BundleRelease, ...]
    pack_releases: tuple[PackRelease, ...]
    rollout_records: Mapping[str, Rollout]

    def bundles(self) -> tuple[BundleRelease, ...]:
        """Return all backbones."""
        return self.bundle_releases

    def packs(self, backbone: str) -> tuple[PackRelease, ...]:
        """Return the packs of a backbone."""
        return tuple(release for release in self.pack_releases if release.backbone == backbone)

    def rollouts(self) -> Mapping[str, Rollout]:
        """Return the rollouts by the sha256 of the content."""
        return self.rollout_records


@dataclass(frozen=True, slots=True)
class Moment:
    """A repository from one publication to the next.

    Attributes:
        name: What was published.
        begins_s: When, in seconds since the beginning.
        ends_s: When the next publication follows.
        tree: A copy of the repository as it was.
        versions: Of each role, in the order in which a device fetches them.
        sizes: Of the metadata of each role, in bytes.
        offer: What a device that verified it all knows.
    """

    name: str
    begins_s: float
    ends_s: float
    tree: Path
    versions: Mapping[str, int]
    sizes: Mapping[str, int]
    offer: Offer


def make_history(folder: Path, *, begin: datetime) -> list[Moment]:
    """Return a repository from its first releases to the third version of the task "leaves"."""
    repository, keyring = folder / "repository", make_keyring()
    create_repository(repository, keyring, keys=RoleKeys(), now=begin)
    bundle = folder / "bundle"
    fingerprint = make_bundle(bundle, number=0, dimensions=DIMENSIONS, graph_bytes=GRAPH_BYTES)

    def pack(task: str, version: int) -> Path:
        return make_pack(
            folder, fingerprint=fingerprint, task=task, version=version, dimensions=DIMENSIONS, rank=10
        )

    def release(*paths: Path, percent: float | None = None) -> Callable[[datetime], object]:
        options = AddOptions(percent=percent)
        return lambda now: add_releases(repository, keyring, paths, now=now, options=options)

    def widen(percent: float) -> Callable[[datetime], object]:
        return lambda now: set_rollout(repository, keyring, ["leaves-2"], percent=percent, now=now)

    plan: list[tuple[str, float, Callable[[datetime], object]]] = [
        ("backbone and five tasks", 0, release(bundle, *(pack(task, 1) for task in TASKS))),
        ("leaves-2 to 1 %", 4, release(pack("leaves", 2), percent=1)),
        ("leaves-2 to 10 %", 8, widen(10)),
        ("leaves-2 to 50 %", 12, widen(50)),
        ("leaves-2 to 100 %", 16, widen(100)),
        ("leaves-2 withdrawn", 20, lambda now: withdraw(repository, keyring, ["leaves-2"], now=now)),
        ("leaves-3 to 100 %", 24, release(pack("leaves", 3))),
    ]
    ends = [hour for _, hour, _ in plan[1:]] + [28]
    moments = []
    for (name, hour, publish), end in zip(plan, ends, strict=True):
        now = begin + timedelta(hours=hour)
        publish(now)
        tree = copytree(repository, folder / f"tree-{hour}")
        memory = folder / f"reader-{hour}"
        moments.append(_read(name, hour, end, tree, memory, now=now, fingerprint=fingerprint))
    return moments


def _read(
    name: str, hour: float, end: float, tree: Path, memory: Path, *, now: datetime, fingerprint: str
) -> Moment:
    memory.mkdir()
    root = (tree / "metadata" / "1.root.json").read_bytes()
    with open_origin(str(tree)) as origin:
        trust = Trust(memory, root=root, origin=origin, high_water=Memory(), clock=FixedClock(now))
        trust.refresh()
        offer = Offer(trust.bundles(), trust.packs(fingerprint), trust.rollouts())
    roles = {role.name: role for role in check_repository(tree, now=now).roles}
    order = ("timestamp", "snapshot", "targets", "rollout", "backbones", role_of(fingerprint))
    return Moment(
        name=name,
        begins_s=hour * HOUR_S,
        ends_s=end * HOUR_S,
        tree=tree,
        versions={role: roles[role].version for role in order},
        sizes={role: roles[role].size_bytes for role in order},
        offer=offer,
    )
