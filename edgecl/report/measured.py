"""What one run measured, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgecl.config import MEASURED_ONLY, RunConfig
from edgecl.errors import RunError
from edgecl.evaluation.matrix import Flags, Matrix, StreamMatrix, drift_of, matrix_of
from edgecl.report.distances import distances_of

if TYPE_CHECKING:
    from edgecl.training.records import RunRecord, TaskRecord
    from edgecl.training.run import Run


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """The numbers of one run.

    Attributes:
        folder: Where it lies.
        record: Its settings and its backbone.
        tasks: Its finished tasks in the order of training.
        shipped: The matrix of what was shipped.
        now: The matrix of what would be shipped later.
        drift: How far the latter is from the former, [T, T]; NaN where that was not measured.
        distances: Between the bare features of its tasks, [T, T]; NaN for a task without a signature.
        class_incremental: Accuracy by task after the last one where nobody says the task, percent; empty if it was
            not measured.
        domain_incremental: The same where the class alone must be right; empty unless all tasks have the same classes.
        floors_from: By task, the folder of the other run that measured the floors in its record.
    """

    folder: Path
    record: RunRecord
    tasks: tuple[TaskRecord, ...]
    shipped: StreamMatrix
    now: StreamMatrix
    drift: Matrix
    distances: Matrix
    class_incremental: Mapping[str, float]
    domain_incremental: Mapping[str, float]
    floors_from: Mapping[str, Path] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.record.config.seed

    @property
    def names(self) -> tuple[str, ...]:
        """Its tasks in the order of training."""
        return self.shipped.tasks

    def flags(self, left_out: frozenset[str]) -> Flags:
        """Return which of its tasks count, [T]."""
        return np.array([name not in left_out for name in self.names], np.bool_)

    def task(self, name: str) -> TaskRecord:
        """Return one of its tasks."""
        return self.tasks[self.names.index(name)]


def read_measured(run: Run) -> MeasuredRun:
    """Return what a run measured.

    Raises:
        RunError: No task is finished, or a file is damaged.
    """
    tasks = run.tasks
    if not tasks:
        raise RunError(f"{run.folder}: no finished task, nothing to report. Train it: edgecl train")
    after = run.after(tasks[-1].name)
    return MeasuredRun(
        folder=run.folder,
        record=run.record,
        tasks=tasks,
        shipped=matrix_of(run, "shipped"),
        now=matrix_of(run, "now"),
        drift=drift_of(run),
        distances=distances_of(run),
        class_incremental={} if after is None else after.class_incremental,
        domain_incremental={} if after is None else after.domain_incremental,
    )


def is_shipped(config: RunConfig) -> bool:
    """Say whether packs can be made of what a method learns; a peer is only measured."""
    return config.method.name not in MEASURED_ONLY


def what_was_learned(config: RunConfig) -> RunConfig:
    """Return settings without those that do not decide what is learned: the seed, and what is measured or kept besides.

    Where the backbone lay does not matter either: its fingerprint says which one it was. Nor does the device, which
    rounds otherwise and no more, the least gain of a gate where there is none, or what prefixes would be where there
    are none.
    """
    method, transfer, usual = config.method, config.transfer, RunConfig()
    if transfer.start != "gated":
        transfer = msgspec.structs.replace(transfer, least_gain=None)
    if method.name == "lora":
        method = msgspec.structs.replace(method, prefix_length=None, first_prefix=None)
    return msgspec.structs.replace(
        config,
        seed=0,
        backbone=msgspec.structs.replace(config.backbone, source=""),
        method=method,
        transfer=transfer,
        training=msgspec.structs.replace(
            config.training, device=usual.training.device, heldout_items=usual.training.heldout_items
        ),
        evaluation=usual.evaluation,
    )
