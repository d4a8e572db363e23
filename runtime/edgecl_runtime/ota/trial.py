"""Whether new content works on this device: what its record says, its self-test, and the app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgecl_runtime.bundle import read_bundle
from edgecl_runtime.errors import EdgeclRuntimeError, UpdateProbeError
from edgecl_runtime.ota.gate import check_same, check_same_bundle
from edgecl_runtime.ota.plan import Step
from edgecl_runtime.ota.probe import ProbeLimits, ProbeResult, run_probe
from edgecl_runtime.pack import read_pack
from edgecl_runtime.store import BundleRecord, Selection

__all__ = ["Callback", "Candidate", "Judge", "Probe", "Verdict", "trial_error"]


class Probe(Protocol):
    """Runs the self-test of packs on a backbone."""

    def __call__(self, bundle: Path, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
        """Return what came of it."""


class Shelf(Protocol):
    """Knows the files of contents."""

    def content_path(self, sha256: str) -> Path:
        """Return the file of some content."""

    def view_path(self, bundle: BundleRecord) -> Path:
        """Return the folder of a bundle."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """New content that passed its self-test, for an app to try in its own way.

    Attributes:
        bundle: The folder of the backbone.
        packs: The file of each new pack, by task.
    """

    bundle: Path
    packs: Mapping[str, Path]


Callback = Callable[[Candidate], bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a trial failed.

    Attributes:
        error: For the report.
        blame: The sha256 of each content that is to blame; None for those that the trial brought.
    """

    error: EdgeclRuntimeError
    blame: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides about trials.

    Attributes:
        probe: Runs the self-test of new content.
        limits: What a self-test may take.
        callbacks: Asked after each self-test that passed.
    """

    probe: Probe = run_probe
    limits: ProbeLimits = field(default_factory=ProbeLimits)
    callbacks: Sequence[Callback] = ()

    def judge(self, step: Step, chosen: Selection, shelf: Shelf) -> Verdict | None:
        """Return why a step fails, or None if it passes.

        Args:
            step: What is new.
            chosen: What would run: the step and what stays.
            shelf: Has the files of all of it.
        """
        if chosen.bundle is None:
            return Verdict(trial_error(step.name, "refused", "packs without a backbone"))
        bundle = shelf.view_path(chosen.bundle)
        new = {release.task: shelf.content_path(release.sha256) for release in step.packs}
        refused = _compare(step, bundle, shelf)
        if refused is not None:
            return refused
        tested = chosen.packs if step.bundle else new
        paths = [shelf.content_path(chosen.packs[task].sha256) for task in tested]
        result = self.probe(bundle, paths, self.limits)
        if result.reason is not None:
            return _failed(step, result.reason, result)
        for callback in self.callbacks:
            if not callback(Candidate(bundle, new)):
                return Verdict(trial_error(step.name, "callback", "an app that says no"))
        return None


def trial_error(where: str, reason: str, found: str) -> UpdateProbeError:
    """Return the error of a trial that failed."""
    return UpdateProbeError(where, found=found, expected="a trial that passes", reason=f"probe-{reason}")


def _compare(step: Step, bundle: Path, shelf: Shelf) -> Verdict | None:
    """Return a verdict if a file says other than its signed record, or is none at all."""
    for release in step.packs:
        try:
            check_same(release, read_pack(shelf.content_path(release.sha256)).manifest)
        except EdgeclRuntimeError as error:
            return Verdict(error, frozenset({release.sha256}))
    if step.bundle is not None:
        try:
            check_same_bundle(step.bundle, read_bundle(bundle))
        except EdgeclRuntimeError as error:
            return Verdict(error, frozenset({step.bundle.sha256}))
    return None


def _failed(step: Step, reason: str, result: ProbeResult) -> Verdict:
    error = trial_error(step.name, reason, result.message)
    if reason == "missing":  # this device lacks a part: no fault of the content
        return Verdict(error, frozenset())
    name = result.culprit.name if result.culprit else None
    culprits = frozenset(release.sha256 for release in step.packs if release.sha256 == name)
    return Verdict(error, culprits or None)
