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
from edgecl.training.gate import (
    Choice,
    Gain,
    choose_parent,
    fold_hits,
    gains,
    gate_items,
    pooled,
    score_gains,
)
from edgecl.training.signature import Features, nearest_tasks

if TYPE_CHECKING:
    from edgecl.config import TransferConfig
    from edgecl.training.loop import TrainingItems
    from edgecl.training.run import Run
    from edgecl.training.session import Session
    from edgecl_runtime.tensors import TaskTensors


@dataclass(frozen=True, slots=True)
class Start:
    """Where a task starts.

    Attributes:
        choice: What was decided.
        modules: The chosen earlier task and the tensors; None for the identity.
    """

    choice: Choice = field(default_factory=Choice)
    modules: tuple[str, TaskTensors] | None = None


def earlier_tasks(session: Session) -> tuple[str, ...]:
    """Return the finished tasks that a new one can build on: none where it learns alone or jointly."""
    method = session.config.method
    return () if method.alone or method.jointly else session.run.names


def choose_start(
    session: Session, items: TrainingItems, bare: Features, *, chosen: Choice | None = None
) -> Start:
    """Return where a new task starts, by the run's settings; all processes go by what the first one decides.

    Args:
        session: The run with its earlier tasks.
        items: What the new task is trained on, [N].
        bare: Their features without a task, [N, D].
        chosen: What was decided before training was stopped; then nothing is measured.
    """
    run, transfer = session.run, session.config.transfer
    if transfer.start == "identity" or not earlier_tasks(session):
        return Start()
    choice = session.workers.of_first(chosen or _decide(session, items, bare))
    if choice.parent is None:
        return Start(choice)
    return Start(choice, (choice.parent, _modules(run, bare, transfer, choice.parent)))


def _decide(session: Session, items: TrainingItems, bare: Features) -> Choice:
    run, transfer = session.run, session.config.transfer
    proposed = _proposed(run, bare, transfer)
    if transfer.start == "average":
        return Choice(proposed[0])
    random = np.random.default_rng([session.config.seed, len(run.names), 4])
    if transfer.chooser == "random":
        return Choice(str(random.choice(proposed)) if random.random() < 0.5 else None)
    rows = gate_items(items.targets)
    targets = items.targets[rows]
    if transfer.chooser == "permuted":
        targets = random.permutation(targets)
    looked_at = [items.prepared[row] for row in rows]
    under = {
        name: features_under(session, looked_at, _modules(run, bare, transfer, name)) for name in proposed
    }
    compared = _gains_by_score if transfer.chooser == "h_lwc" else _gains_by_folds
    measured = compared(bare[rows], under, targets)
    if transfer.proposal != "tasks" and transfer.evidence == "stream":
        return _by_the_stream(run, transfer, proposed[0], measured)
    least = transfer.least_gain or 0.0  # a record of a run names it
    parent = choose_parent(measured, margin=transfer.margin, least=least, prefer=transfer.prefer)
    return Choice(parent, measured)


def _by_the_stream(run: Run, transfer: TransferConfig, name: str, measured: Mapping[str, Gain]) -> Choice:
    """Return what is proposed if the tasks so far speak for it together, and the new one does not speak against it.

    Where the new one's items are too few to say anything, the others speak alone.
    """
    known = [*(past for task in run.tasks for past in task.parent_gains.values()), *measured.values()]
    if not known:
        return Choice()
    evidence = pooled(known)
    is_wanted = evidence.points > max(transfer.least_gain or 0.0, transfer.margin * evidence.error)
    is_opposed = any(gain.points < -gain.error for gain in measured.values())
    return Choice(name if is_wanted and not is_opposed else None, measured, evidence)


def _proposed(run: Run, bare: Features, transfer: TransferConfig) -> tuple[str, ...]:
    """Return the earlier tasks that what a task may start from is called after: of a mean the newest one."""
    if transfer.start == "gated" and transfer.proposal == "tasks":
        return nearest_tasks(run, bare, at_most=transfer.candidates)
    return family(run)[-1:]


def _modules(run: Run, bare: Features, transfer: TransferConfig, parent: str) -> TaskTensors:
    """Return what is proposed under the name of an earlier task."""
    if transfer.start == "average" or transfer.proposal == "average":
        return averaged(run, rate=transfer.average_rate)
    return mixed(run, bare) if transfer.proposal == "mixture" else run.tensors(parent)


def _gains_by_folds(
    bare: Features, candidates: Mapping[str, Features], targets: NDArray[np.int64]
) -> dict[str, Gain]:
    """Return the gains in accuracy; none where no item can be held out."""
    identity = fold_hits(bare, targets)
    hits = {name: fold_hits(features, targets) for name, features in candidates.items()}
    known = {name: each for name, each in hits.items() if each is not None}
    return gains(identity, known) if identity is not None else {}


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
