"""Where the modules of a new task start: at the identity, at an earlier task's, or at a mean of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecl.similarity import Similarity, estimate
from edgecl.training.averages import averaged, family, mixed
from edgecl.training.features import features
from edgecl.training.gate import Gain, choose_parent, fold_hits, gains, gate_items, pooled, score_gains
from edgecl.training.signature import Features, nearest_tasks

if TYPE_CHECKING:
    from edgecl.config import TransferConfig
    from edgecl.training.ready import Ready
    from edgecl.training.run import Run
    from edgecl.training.session import Session
    from edgecl_runtime.tensors import TaskTensors


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
