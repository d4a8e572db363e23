"""Where the modules of a new task start: at the identity, at an earlier task's, or at a mean of the latest ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from edgecl.errors import RunError
from edgecl.similarity import Similarity, estimate
from edgecl.training.features import features
from edgecl.training.gate import Gain, choose_parent, fold_hits, gains, gate_items, pooled, score_gains
from edgecl_runtime.durable import write_durably

if TYPE_CHECKING:
    from edgecl.config import TransferConfig
    from edgecl.training.ready import Ready
    from edgecl.training.run import Run
    from edgecl.training.session import Session
    from edgecl_runtime.tensors import TaskTensors

SMALLEST_DISTANCE = 1e-12
AVERAGED = 16
"""Tasks that count: at any rate worth using, those before have faded."""

Features = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Start:
    """The choice for a task.

    Attributes:
        modules: Earlier task that it starts from, the newest one of several, and the tensors; None for the identity.
        gains: What each proposal gained on the new task's items.
        evidence: What decided instead, where earlier tasks count too.
    """

    modules: tuple[str, TaskTensors] | None = None
    gains: Mapping[str, Gain] = field(default_factory=dict)
    evidence: Gain | None = None

    @property
    def parent(self) -> str | None:
        """The earlier task's name."""
        return None if self.modules is None else self.modules[0]


@dataclass(frozen=True, slots=True)
class Signature:
    """Mean [D] and variance [D] of the bare features of a task's training items, float32."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]

    @classmethod
    def of(cls, bare: Features) -> Signature:
        """Return the signature of features [N, D]."""
        return cls(bare.mean(axis=0, dtype=np.float32), bare.var(axis=0, dtype=np.float32))

    def distance(self, other: Signature) -> float:
        """Return the squared Bures distance of the two as normal distributions with diagonal covariance."""
        means = np.square(self.mean - other.mean).sum()
        deviations = np.square(np.sqrt(self.variance) - np.sqrt(other.variance)).sum()
        return float(means + deviations)


def choose_start(session: Session, ready: Ready, bare: Features) -> Start:
    """Return where a new task starts, by the run's settings; trained alone or jointly it has nothing before it.

    Args:
        session: The run with its earlier tasks.
        ready: The new task.
        bare: Features of its training items without a task, [N, D].
    """
    run, transfer, method = session.run, session.config.transfer, session.config.method
    if transfer.start == "identity" or method.alone or method.jointly or not run.names:
        return Start()
    if transfer.start == "average":
        return Start(_average(run, transfer))
    proposed = _proposed(run, bare, transfer)
    rows = gate_items(ready.data.train.targets)
    items = [ready.prepared.train[row] for row in rows]
    under = {name: features_under(session, items, task) for name, task in proposed.items()}
    compared = _gains_by_folds if transfer.chooser == "folds" else _gains_by_score
    measured = compared(bare[rows], under, ready.data.train.targets[rows])
    if transfer.proposal != "tasks" and transfer.evidence == "stream":
        return _by_the_stream(run, transfer, proposed, measured)
    parent = choose_parent(measured, margin=transfer.margin, prefer=transfer.prefer)
    return Start(None if parent is None else (parent, proposed[parent]), measured)


def _by_the_stream(
    run: Run, transfer: TransferConfig, proposed: Mapping[str, TaskTensors], measured: Mapping[str, Gain]
) -> Start:
    """Return what is proposed if the tasks so far speak for it together, and the new one does not speak against it."""
    if not measured:
        return Start()  # so few items give no number
    ((name, gain),) = measured.items()
    evidence = pooled([*(past for task in run.tasks for past in task.parent_gains.values()), gain])
    is_wanted = evidence.points > max(0.0, transfer.margin * evidence.error)
    is_opposed = gain.points < -transfer.margin * gain.error
    return Start((name, proposed[name]) if is_wanted and not is_opposed else None, measured, evidence)


def _average(run: Run, transfer: TransferConfig) -> tuple[str, TaskTensors]:
    """Return the average of the family, under the name of its newest task."""
    return family(run)[-1], averaged(run, rate=transfer.average_rate)


def _proposed(run: Run, bare: Features, transfer: TransferConfig) -> dict[str, TaskTensors]:
    """Return what a task may start from, by the name of the earlier task that it would be called after."""
    if transfer.proposal == "average":
        return dict([_average(run, transfer)])
    if transfer.proposal == "mixture":
        return {family(run)[-1]: mixed(run, bare)}
    return {name: run.tensors(name) for name in nearest_tasks(run, bare, at_most=transfer.candidates)}


def averaged(run: Run, *, rate: float) -> TaskTensors:
    """Return the running average of the modules of the family: mean <- mean + rate (task - mean).

    After Reptile (Nichol et al. 2018), with one step per task.
    """
    start, *others = (run.tensors(name) for name in family(run)[-AVERAGED:])
    for task in others:
        start = _between(start, task, rate)
    return start


def mixed(run: Run, bare: Features) -> TaskTensors:
    """Return the mean of the modules of the family, weighted by how near each task is: exp(-d / median of all d).

    d is the distance of their signatures.
    """
    names = family(run)[-AVERAGED:]
    mine = Signature.of(bare)
    distances = np.array([mine.distance(_signature(run, name)) for name in names])
    weights = np.exp(-distances / max(float(np.median(distances)), SMALLEST_DISTANCE))
    mean, total = run.tensors(names[0]), weights[0]
    for name, weight in zip(names[1:], weights[1:], strict=True):
        total += weight
        mean = _between(mean, run.tensors(name), float(weight / total))
    return mean


def family(run: Run) -> tuple[str, ...]:
    """Return the first task, and every one that started from earlier modules, in the order of training.

    Modules of one lineage can be averaged; those that a task learned from the identity would only blur them.
    """
    first, *later = run.tasks
    return (first.name, *(task.name for task in later if task.parent is not None))


def _between(mean: TaskTensors, task: TaskTensors, rate: float) -> TaskTensors:
    moved = {
        name: array + rate * (getattr(task, name) - array)
        for name, array in mean.items()
        if not name.startswith("head_")
    }
    return replace(task, **moved)


def store_signature(run: Run, name: str, bare: Features) -> None:
    """Write what tells later tasks how near this one is."""
    signature = Signature.of(bare)
    stored = {"mean": signature.mean, "variance": signature.variance}
    write_durably(run.task_folder(name) / "signature.safetensors", save(stored))


def _gains_by_folds(
    bare: Features, candidates: Mapping[str, Features], targets: NDArray[np.int64]
) -> dict[str, Gain]:
    hits = {name: fold_hits(features, targets) for name, features in candidates.items()}
    return gains(fold_hits(bare, targets), hits)


def _gains_by_score(
    bare: Features, candidates: Mapping[str, Features], targets: NDArray[np.int64]
) -> dict[str, Gain]:
    """Return the gains in h_lwc; none where so few items give no number."""
    identity = estimate(bare, targets)
    found = {name: estimate(features, targets) for name, features in candidates.items()}
    scored = {name: each for name, each in found.items() if isinstance(each, Similarity)}
    return score_gains(identity, scored) if isinstance(identity, Similarity) else {}


def features_under(session: Session, items: list[NDArray[np.generic]], task: TaskTensors) -> Features:
    """Return features [N, D] of prepared items under a task."""
    backbone = session.backbone
    return features(backbone.module, items, preprocessor=backbone.preprocessor, task=task)


def nearest_tasks(run: Run, bare: Features, *, at_most: int) -> tuple[str, ...]:
    """Return the earlier tasks whose bare features are nearest, all if they are few."""
    if len(run.names) <= at_most:
        return run.names
    mine = Signature.of(bare)
    nearest = sorted(run.names, key=lambda name: mine.distance(_signature(run, name)))[:at_most]
    return tuple(name for name in run.names if name in nearest)


def _signature(run: Run, name: str) -> Signature:
    path = run.task_folder(name) / "signature.safetensors"
    try:
        stored = load_file(path)
        return Signature(stored["mean"], stored["variance"])
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(
            f"{path}: the signature of an earlier task cannot be read ({error}). Restore the run folder, "
            "or train with transfer.start=identity"
        ) from error
