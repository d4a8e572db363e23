"""One row of numbers for each arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgecl.evaluation.matrix import (
    Matrix,
    anytime_accuracy,
    average_accuracy,
    backward_transfer,
    forgetting,
)
from edgecl.report.arms import EASY, Arm, Comparison
from edgecl.report.measured import MeasuredRun, is_shipped
from edgecl.report.numbers import Missing, Number, spread
from edgecl.report.transfer import ForwardTransfer, transfer_of

NONE_COUNTS = f"the floor of every task is above {EASY:.0f} %"
NONE_BEFORE = "no task that counts came before the last one"
NOT_TESTED = (
    "not every task was tested again after the last one (a peer that keeps nothing, evaluation.matrix, or a task that "
    "was added later without the others)"
)
NOT_ALONG = (
    "the tasks were not tested again after every task (a peer that keeps nothing, or evaluation.matrix)"
)
NEVER_SHIPPED = "measured as a peer and never shipped"
AT_ONCE = "all tasks were learned at once"
NO_FLOORS = "floors were not measured (evaluation.floors)"
NO_CLASS_INCREMENTAL = (
    "not measured for every task (a peer that keeps nothing, or evaluation.class_incremental)"
)
NO_DOMAIN_INCREMENTAL = (
    "not measured for every task (evaluation.class_incremental), or the classes are not the same"
)
CHANGED = "what was shipped does not predict what it did"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Summary:
    """What an arm reached; accuracies are means over the tasks that count, costs over all tasks.

    Attributes:
        arm: The arm.
        is_shipped: Whether packs can be made of it; a peer is measured only.
        score: Average score of what was shipped, percent.
        score_now: Average score of what would be shipped after the last task, percent.
        anytime_shipped: Average over the stream of the average of what was shipped so far, percent; of no peer.
        anytime_now: Average over the stream of the average of what would be shipped, percent.
        floor: Average of the best floors, percent.
        gain: Score above the floor, percent points.
        forgetting_shipped: Of what was shipped, percent points; of no peer.
        forgetting_now: Of what would be shipped now, percent points.
        backward_now: Backward transfer of what would be shipped now, percent points.
        transfer: Forward transfer, percent points.
        class_incremental: Average accuracy after the last task where nobody says the task, percent.
        domain_incremental: The same of tasks with the same classes, where the class alone must be right, percent.
        size_bytes: Of a pack's tensors.
        shared_bytes: Of what the tasks share on the workstation, after the last one.
        seconds: Of training a task.
        peak_bytes: Most memory of any task.
        verified: Tasks whose shipped tensors predicted the same again in every run that tested them; none of a peer.
        changed: Tasks whose stored tensors did not: a defect.
    """

    arm: Arm
    is_shipped: bool
    score: Number
    score_now: Number
    anytime_shipped: Number
    anytime_now: Number
    floor: Number
    gain: Number
    forgetting_shipped: Number
    forgetting_now: Number
    backward_now: Number
    transfer: ForwardTransfer | Missing
    class_incremental: Number
    domain_incremental: Number
    size_bytes: Number
    shared_bytes: Number
    seconds: Number
    peak_bytes: Number
    verified: tuple[str, ...]
    changed: tuple[str, ...]


def summarize(arm: Arm, comparison: Comparison) -> Summary:
    """Return the numbers of an arm.

    Raises:
        ConfigError: Two runs learned alone fit one of its seeds.
    """
    rows = _Rows(arm, comparison.left_out)
    changed = _tested(arm, found=False)
    is_joint = arm.config.method.jointly
    return Summary(
        arm=arm,
        is_shipped=is_shipped(arm.config),
        score=rows.over(lambda run: rows.metric(average_accuracy, run, run.shipped.accuracy), NONE_COUNTS),
        score_now=Missing(AT_ONCE)
        if is_joint
        else rows.over(lambda run: rows.metric(average_accuracy, run, run.now.accuracy), NOT_TESTED),
        anytime_shipped=Missing(AT_ONCE)
        if is_joint
        else Missing(NEVER_SHIPPED)
        if not is_shipped(arm.config)
        else rows.over(lambda run: rows.metric(anytime_accuracy, run, run.shipped.accuracy), NONE_COUNTS),
        anytime_now=Missing(AT_ONCE)
        if is_joint
        else rows.over(lambda run: rows.metric(anytime_accuracy, run, run.now.accuracy), NOT_ALONG),
        floor=rows.over(rows.floor, NO_FLOORS),
        gain=rows.over(rows.gain, NO_FLOORS),
        forgetting_shipped=_forgetting_shipped(rows, changed),
        forgetting_now=rows.change(forgetting, lambda run: run.now.accuracy),
        backward_now=rows.change(backward_transfer, lambda run: run.now.accuracy),
        transfer=transfer_of(arm, comparison),
        class_incremental=rows.over(
            lambda run: rows.untold(run, run.class_incremental), NO_CLASS_INCREMENTAL
        ),
        domain_incremental=rows.over(
            lambda run: rows.untold(run, run.domain_incremental), NO_DOMAIN_INCREMENTAL
        ),
        size_bytes=rows.over(_mean_size, NOT_RECORDED),
        shared_bytes=rows.over(lambda run: run.tasks[-1].shared_bytes, NOT_RECORDED),
        seconds=rows.over(lambda run: _mean([task.seconds for task in run.tasks]), NOT_RECORDED),
        peak_bytes=rows.over(_peak, NOT_RECORDED),
        verified=_tested(arm, found=True) if is_shipped(arm.config) else (),
        changed=changed,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Numbers of each run of an arm, over the tasks that count."""

    arm: Arm
    left_out: frozenset[str]

    def over(self, number: Callable[[MeasuredRun], float | None], otherwise: str) -> Number:
        """Return a number over the runs."""
        has_none = all(name in self.left_out for name in self.arm.runs[0].names)
        is_accuracy = otherwise != NOT_RECORDED
        reason = NONE_COUNTS if has_none and is_accuracy else otherwise
        return spread([number(run) for run in self.arm.runs], otherwise=reason)

    def metric(self, metric: Callable[..., float], run: MeasuredRun, accuracy: Matrix) -> float:
        """Return a metric of a matrix of a run."""
        return metric(accuracy, counts=run.flags(self.left_out))

    def change(self, metric: Callable[..., float], matrix: Callable[[MeasuredRun], Matrix]) -> Number:
        """Return how what was learned first changed until the end."""
        if self.arm.config.method.jointly:
            return Missing(AT_ONCE)
        has_earlier = any(run.flags(self.left_out)[:-1].any() for run in self.arm.runs)
        return self.over(
            lambda run: self.metric(metric, run, matrix(run)), NOT_TESTED if has_earlier else NONE_BEFORE
        )

    def floor(self, run: MeasuredRun) -> float | None:
        """Return the average of the best floors."""
        floors = [task.best_floor for task in run.tasks if task.name not in self.left_out]
        known = [floor for floor in floors if floor is not None]
        return _mean(known) if len(known) == len(floors) else None

    def gain(self, run: MeasuredRun) -> float | None:
        """Return the average score above the floor."""
        floor = self.floor(run)
        return None if floor is None else self.metric(average_accuracy, run, run.shipped.accuracy) - floor

    def untold(self, run: MeasuredRun, accuracy: Mapping[str, float]) -> float | None:
        """Return the average accuracy where nobody says the task; None unless every task was among the answers."""
        if not set(run.names) <= set(accuracy):
            return None
        return _mean([accuracy[name] for name in run.names if name not in self.left_out])


def _forgetting_shipped(rows: _Rows, changed: Sequence[str]) -> Number:
    """Return what shipped packs forgot: nothing, unless they are not what they were."""
    config = rows.arm.config
    if not (config.method.jointly or is_shipped(config)):
        return Missing(NEVER_SHIPPED)
    return Missing(CHANGED) if changed else rows.change(forgetting, lambda run: run.shipped.accuracy)


def _mean_size(run: MeasuredRun) -> float | None:
    sizes = [task.size_bytes for task in run.tasks if task.size_bytes is not None]
    return _mean(sizes) if len(sizes) == len(run.tasks) else None


def _peak(run: MeasuredRun) -> float | None:
    return max((task.peak_bytes for task in run.tasks if task.peak_bytes is not None), default=None)


def _tested(arm: Arm, *, found: bool) -> tuple[str, ...]:
    """Return the tasks that were tested again, in all runs that did: unchanged, or changed in one of them."""
    tested: dict[str, bool] = {}
    for run in arm.runs:
        for name, is_same in zip(run.names, run.shipped.unchanged, strict=True):
            if is_same is not None:
                tested[name] = is_same and tested.get(name, True)
    return tuple(name for name, is_same in tested.items() if is_same is found)


def _mean(values: list[float] | list[int]) -> float:
    return float(np.mean(values)) if values else float("nan")
