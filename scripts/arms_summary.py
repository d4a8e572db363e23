"""What finished runs of arms say together: the part of scripts/measure_arms.py that only reads."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from edgecl.evaluation.matrix import (
    anytime_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    matrix_of,
)
from edgecl.training.run import Run

Row = dict[str, Any]

PROTOCOLS = ("class_incremental", "domain_incremental")
"""Accuracies when nobody says which task an item is of."""

CEILING = 95.0
"""Percent: tasks whose best floor is above it on the mean of all seeds cannot tell methods apart."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One finished run of an arm.

    Attributes:
        run: The run.
        best_floor: Of each task, from the run of the same seed that measured floors.
    """

    run: Run
    best_floor: Mapping[str, float | None]

    @property
    def seed(self) -> int:
        """Of splits, starts and batches."""
        return self.run.record.config.seed

    @property
    def learner(self) -> tuple[str, int, int | None]:
        """The method, its rank and its number of prefixes: what one task learned alone can be compared with."""
        method = self.run.record.config.method
        return method.name, method.rank, method.prefix_length

    def rows(self) -> list[Row]:
        """Return what each task reached when it was trained, and after the last one."""
        tasks = self.run.tasks
        last = self.run.after(tasks[-1].name)
        rows = []
        for task in tasks:
            row: Row = {
                "task": task.name,
                "score": task.score,
                "accuracy": task.accuracy,
                "balanced_accuracy": task.balanced_accuracy,
                "best_floor": self.best_floor[task.name],
                "seconds": task.seconds,
                "steps": task.steps,
                "size_bytes": task.size_bytes,
                "shared_bytes": task.shared_bytes,
                "peak_bytes": task.peak_bytes,
                "parent": task.parent,
                "parent_gains": msgspec.to_builtins(task.parent_gains),
                "parent_evidence": msgspec.to_builtins(task.parent_evidence),
            }
            if last is not None and task.name in last.now:
                now = last.now[task.name]
                row["at_the_end"] = now.balanced_accuracy if task.dominated else now.accuracy
                row["shipped_unchanged"] = last.shipped_unchanged[task.name]
                row["drift"] = last.drift[task.name]
            for protocol in PROTOCOLS:
                if last is not None and task.name in getattr(last, protocol):
                    row[protocol] = getattr(last, protocol)[task.name]
            rows.append(row)
        return rows


def runs_to_json(arms: Mapping[str, Sequence[Measured]]) -> dict[str, list[Row]]:
    """Return every run of every arm, task by task."""
    return {arm: [{"seed": run.seed, "tasks": run.rows()} for run in runs] for arm, runs in arms.items()}


def summary(
    arms: Mapping[str, Sequence[Measured]], *, alone: Sequence[str], left_out: Sequence[str]
) -> dict[str, Any]:
    """Return the table: per arm mean and deviation over seeds of the tasks that count.

    Args:
        arms: The runs of each arm, in the order of seeds.
        alone: Arms in which tasks learn alone; forward transfer of an arm is measured against the one of its learner.
        left_out: Tasks that do not count, besides those that cannot tell methods apart.
    """
    floors: dict[str, list[float]] = {}
    for run in (run for runs in arms.values() for run in runs):
        for name, floor in run.best_floor.items():
            floors.setdefault(name, []).append(float("nan") if floor is None else floor)
    mean_floor = {name: statistics.fmean(values) for name, values in floors.items()}
    counted = [name for name, floor in mean_floor.items() if floor <= CEILING and name not in left_out]
    if not counted:
        raise SystemExit(f"no task is left whose best floor is at most {CEILING} %: nothing can be compared")
    references = {arms[arm][0].learner: arm for arm in alone}
    table: dict[str, Any] = {}
    for arm, runs in arms.items():
        table[arm] = arm_summary(runs, counted)
        reference = references.get(runs[0].learner)
        if reference not in {None, arm} and len(runs) == len(arms[reference]):
            table[arm]["forward_transfer"] = transfer_to_json(runs, arms[reference]) | {"against": reference}
    return {
        "best_floor": {name: round(value, 2) for name, value in mean_floor.items()},
        "counted": counted,
        "mean_best_floor": round(statistics.fmean(mean_floor[name] for name in counted), 2),
        "arms": table,
    }


def arm_summary(runs: Sequence[Measured], counted: Sequence[str]) -> dict[str, Any]:
    """Return what the runs of one arm reached on the mean of the tasks that count."""
    tasks = [[row for row in run.rows() if row["task"] in counted] for run in runs]
    every = [row for run in runs for row in run.rows()]

    def mean(key: str) -> list[float]:
        return [statistics.fmean(row[key] for row in rows) for rows in tasks]

    found: dict[str, Any] = {
        "score": spread(mean("score")),
        "gain_over_best_floor": spread(
            [score - floor for score, floor in zip(mean("score"), mean("best_floor"), strict=True)]
        ),
        "seconds_per_task": round(statistics.fmean(row["seconds"] for row in every), 1),
        "bytes_per_task": round(statistics.fmean(row["size_bytes"] for row in every)),
        "shared_bytes": max(row["shared_bytes"] for row in every),
        "peak_bytes": max((row["peak_bytes"] or 0 for row in every), default=0) or None,
        "seeds": len(runs),
    }
    if all("at_the_end" in row for row in every):
        found |= at_the_end(runs, counted)
        found["at_the_end"] = spread(mean("at_the_end"))
        found["largest_change"] = round(max(abs(row["score"] - row["at_the_end"]) for row in every), 2)
        found["largest_drift"] = max(row["drift"] for row in every)
        found["shipped_unchanged"] = all(row["shipped_unchanged"] for row in every)
    for protocol in PROTOCOLS:
        if all(protocol in row for row in every):
            found[protocol] = spread(mean(protocol))
    return found


def at_the_end(runs: Sequence[Measured], counted: Sequence[str]) -> dict[str, Any]:
    """Return forgetting, backward transfer and, where every task was tested after each, anytime accuracy.

    All of what the method would ship later, and over the tasks that count (`edgecl.evaluation.matrix`).
    """
    matrices = [matrix_of(run.run, "now") for run in runs]
    measures: dict[str, Callable[..., float]] = {
        "forgetting": forgetting,
        "backward_transfer": backward_transfer,
        "anytime": anytime_accuracy,
    }
    found = {}
    for name, measure in measures.items():
        values = [measure(each.accuracy, counts=np.isin(np.array(each.tasks), counted)) for each in matrices]
        if not np.isnan(values).any():
            found[name] = spread(values)
    return found


def transfer_to_json(runs: Sequence[Measured], alone: Sequence[Measured]) -> dict[str, Any]:
    """Return forward transfer over all tasks but the first, and the mean gain by the number of tasks known before."""
    trained, reference = (
        np.array([[task.score for task in run.run.tasks] for run in each]) for each in (runs, alone)
    )
    transfer = forward_transfer(trained, reference)
    by_seed = (trained - reference)[:, 1:].mean(axis=1)
    of_seeds = float(by_seed.std(ddof=1)) / len(by_seed) ** 0.5 if len(by_seed) > 1 else None
    return {
        "points": round(transfer.points, 2),
        "standard_error": round(transfer.error, 2),
        "standard_error_over_seeds": None if of_seeds is None else round(of_seeds, 2),
        "pairs": transfer.count,
        "by_tasks_known": [round(float(gain), 2) for gain in (trained - reference).mean(axis=0)],
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation over seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.fmean(values), 2), "sd": round(deviation, 2)}
