"""From what a repository offers to what is tried on the device: a pack at a time, or a backbone with all its packs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgecl_runtime.ota.release import BundleRelease, PackRelease, Rollout
from edgecl_runtime.ota.select import EMPTY, Choice, Held, Selector, Slot
from edgecl_runtime.store import Blob, BundleRecord, PackRecord, Selection, State

__all__ = ["Catalogue", "Content", "Plan", "Step", "make_plan"]


class Catalogue(Protocol):
    """The verified records of a repository."""

    def packs(self, backbone: str) -> Sequence[PackRelease]:
        """Return the packs of a backbone, given its fingerprint."""

    def bundles(self) -> Sequence[BundleRelease]:
        """Return all backbones."""

    def rollouts(self) -> Mapping[str, Rollout]:
        """Return the rollouts by the sha256 of the content."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file of the repository: its target path, sha256 and size in bytes."""

    path: str
    sha256: str
    length: int


@dataclass(frozen=True, slots=True)
class Step:
    """What is tried together and committed together, or not at all.

    Attributes:
        packs: The packs to install.
        bundle: The backbone to switch to, or None to stay.
        kept: On a switch, the packs that go on as they are.
    """

    packs: tuple[PackRelease, ...]
    bundle: BundleRelease | None = None
    kept: tuple[PackRecord, ...] = ()

    @property
    def name(self) -> str:
        """The target path that stands for it in messages."""
        return self.bundle.path if self.bundle else self.packs[0].path

    def selection(self, active: Selection) -> Selection:
        """Return what runs when the step is done."""
        chosen = Selection(_bundle_record(self.bundle)) if self.bundle else active
        for pack in (*self.kept, *(_pack_record(release) for release in self.packs)):
            chosen = chosen.with_pack(pack)
        return chosen

    def contents(self) -> list[Content]:
        """Return the files that it needs."""
        found = [Content(release.path, release.sha256, release.length) for release in self.packs]
        return found + (bundle_contents(self.bundle) if self.bundle else [])


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one update in order, and what waits."""

    steps: tuple[Step, ...]
    held: tuple[Held, ...] = ()


def make_plan(catalogue: Catalogue, state: State, selector: Selector) -> Plan:
    """Return what to do: a switch of the backbone if there is one, else every newer pack by itself."""
    choice = selector.bundle(catalogue.bundles(), _bundle_slot(state, selector.device.line))
    held = choice.held
    for release in choice.install:
        plan = _plan_switch(catalogue, state, selector, release)
        held += plan.held
        if plan.steps:
            return Plan(plan.steps, held)
    if state.active.bundle is None:
        return Plan((), held)
    packs = _choose_packs(catalogue, state, selector, state.active.bundle.backbone)
    return Plan(tuple(Step((release,)) for release in packs.install), held + packs.held)


def bundle_contents(release: BundleRelease) -> list[Content]:
    """Return the files of a backbone, bundle.json first."""
    files = [Content(file.path, file.sha256, file.length) for file in release.files]
    return [Content(release.path, release.sha256, release.length), *files]


def _plan_switch(catalogue: Catalogue, state: State, selector: Selector, release: BundleRelease) -> Plan:
    """Return the switch to a backbone, held as long as it lacks a pack of a task that is in use."""
    packs = _choose_packs(catalogue, state, selector, release.backbone)
    new = {pack.task for pack in packs.install}
    kept = [pack for pack in _active_packs(state, release.backbone).values() if pack.task not in new]
    wanted = selector.device.tasks
    needed = {task for task in state.active.packs if wanted is None or task in wanted}
    lacking = sorted(needed - new - {pack.task for pack in kept})
    if lacking:
        message = f"{release.path} waits until there is a pack for it of: {', '.join(lacking)}"
        return Plan((), (*packs.held, Held(release.path, release.release_counter, "set", message)))
    return Plan((Step(packs.install, release, tuple(kept)),), packs.held)


def _choose_packs(
    catalogue: Catalogue, state: State, selector: Selector, backbone: str
) -> Choice[PackRelease]:
    releases = catalogue.packs(backbone)
    slots = {release.task: _pack_slot(state, release.task, backbone) for release in releases}
    return selector.packs(releases, slots, backbone=backbone)


def _pack_slot(state: State, task: str, backbone: str) -> Slot:
    committed = state.committed_pack(task, backbone)
    active = _active_packs(state, backbone).get(task)
    if committed is None:
        return EMPTY
    return Slot(committed.release_counter, committed.sha256, active.sha256 if active else None)


def _active_packs(state: State, backbone: str) -> Mapping[str, PackRecord]:
    bundle = state.active.bundle
    return state.active.packs if bundle is not None and bundle.backbone == backbone else {}


def _bundle_slot(state: State, line: str) -> Slot:
    committed = state.committed_bundle(line)
    if committed is None:
        return EMPTY
    active = state.active.bundle
    return Slot(committed.release_counter, committed.sha256, active.sha256 if active else None)


def _pack_record(release: PackRelease) -> PackRecord:
    return PackRecord(
        task=release.task,
        sha256=release.sha256,
        size_bytes=release.length,
        release_counter=release.release_counter,
        backbone=release.backbone,
    )


def _bundle_record(release: BundleRelease) -> BundleRecord:
    files = {file.name: Blob(file.sha256, file.length) for file in release.files}
    return BundleRecord(
        sha256=release.sha256,
        backbone=release.backbone,
        release_counter=release.release_counter,
        line=release.line,
        files={"bundle.json": Blob(release.sha256, release.length), **files},
    )
