"""What finished runs of arms say together: the part of scripts/measure_arms.py that only reads."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from edgecl.config import KEPT_BY_A_RUN
from edgecl.errors import ConfigError
from edgecl.evaluation.matrix import anytime_accuracy, backward_transfer, forgetting, matrix_of
from edgecl.report import Arm, Comparison
from edgecl.report.arms import EASY
from edgecl.report.likeness import require_alike, require_alone, require_once
from edgecl.report.measured import read_measured, what_was_learned
from edgecl.report.numbers import Missing, mean_known
from edgecl.report.transfer import paired
from edgecl.training.run import Run

Row = dict[str, Any]

PROTOCOLS = ("class_incremental", "domain_incremental")
"""Accuracies when nobody says which task an item is of."""


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
            if task.guided_by:
                row["guided_by"] = dict(task.guided_by)
            if task.validation:
                row["validation"] = max(task.validation)
                row["validation_last"] = task.validation[-1]
            if last is not None and task.name in last.now:
                now = last.now[task.name]
                row["at_the_end"] = now.to_look_at(dominated=task.is_balanced)
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
        alone: Arms in which tasks learn alone; forward transfer of an arm is measured against the one of its recipe.
        left_out: Tasks that do not count, besides those whose frozen features show nothing of a method.

    Raises:
        ConfigError: Arms that cannot be compared, or an arm of `alone` that is no reference, or two for one recipe.
    """
    by_seed = {run.seed: run.best_floor for runs in arms.values() for run in runs}
    mean_floor = {
        name: statistics.fmean(_or_nan(floors[name]) for floors in by_seed.values())
        for name in next(iter(by_seed.values()))
    }
    counted = [name for name, floor in mean_floor.items() if floor <= EASY and name not in left_out]
    if not counted:
        raise SystemExit(f"no task is left whose best floor is at most {EASY} %: nothing can be compared")
    comparison = compared(arms, alone=alone, left_out=frozenset(mean_floor) - frozenset(counted))
    return {
        "best_floor": {name: round(value, 2) for name, value in mean_floor.items()},
        "counted": counted,
        "mean_best_floor": round(statistics.fmean(mean_floor[name] for name in counted), 2),
        "arms": {
            arm.name: arm_summary(arms[arm.name], counted)
            | ({} if arm.name in alone or not alone else transfer_to_json(arm, comparison))
            for arm in comparison.arms
        },
    }


def _or_nan(score: float | None) -> float:
    return float("nan") if score is None else score


def compared(
    arms: Mapping[str, Sequence[Measured]], *, alone: Sequence[str], left_out: frozenset[str]
) -> Comparison:
    """Return arms as a report compares them.

    Raises:
        ConfigError: They are not alike, a seed is there twice, or tasks of an arm of `alone` learned from each other.
    """
    found = [
        Arm(name, tuple(read_measured(each.run) for each in sorted(runs, key=lambda each: each.seed)))
        for name, runs in arms.items()
    ]
    references = tuple(run for arm in found if arm.name in alone for run in arm.runs)
    comparison = Comparison(tuple(found), references, left_out)
    require_alike(comparison.runs)
    for arm in found:
        require_once(arm.runs)
        _require_one_recipe(arm)
    for reference in references:
        require_alone(reference)
    return comparison


def _require_one_recipe(arm: Arm) -> None:
    """Do nothing if all runs of an arm have the same settings: a run that goes on keeps those it was begun with.

    Raises:
        ConfigError: They differ.
    """
    first, *others = arm.runs
    for run in others:
        if what_was_learned(run.record.config) != what_was_learned(first.record.config):
            raise ConfigError.at(
                run.folder,
                found="other settings than those of the other seeds, perhaps from defaults of before",
                expected=f"those of {first.folder}",
                fix="Train the arm into other folders (--runs), or name the settings: ARM:KEY=VALUE.",
            )


def arm_summary(runs: Sequence[Measured], counted: Sequence[str]) -> dict[str, Any]:
    """Return what the runs of one arm reached on the mean of the tasks that count."""
    tasks = [[row for row in run.rows() if row["task"] in counted] for run in runs]
    every = [row for run in runs for row in run.rows()]

    def mean(key: str) -> list[float]:
        return [statistics.fmean(row[key] for row in rows) for rows in tasks]

    learned = what_was_learned(runs[0].run.record.config)
    found: dict[str, Any] = {
        "rank": learned.method.rank,
        "prefix_length": learned.method.prefix_length,
        **{
            key: getattr(getattr(learned, table), key)
            for table, keys in KEPT_BY_A_RUN.items()
            for key in keys
        },
        "score": spread(mean("score")),
        "gain_over_best_floor": spread(
            [score - floor for score, floor in zip(mean("score"), mean("best_floor"), strict=True)]
        ),
        "seconds_per_task": round(statistics.median(row["seconds"] for row in every), 1),
        "bytes_per_task": round(statistics.fmean(row["size_bytes"] for row in every)),
        "shared_bytes": max(row["shared_bytes"] for row in every),
        "peak_bytes": max((row["peak_bytes"] or 0 for row in every), default=0) or None,
        "seeds": len(runs),
    }
    for key in ("validation", "validation_last"):
        if all(key in row for row in every):
            found[key] = spread(mean(key))
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


def transfer_to_json(arm: Arm, comparison: Comparison) -> Row:
    """Return forward transfer, and the mean gain by the number of tasks known before; or why there is none."""
    pairs = paired(arm, comparison)
    if isinstance(pairs, Missing):
        return {"no_forward_transfer": pairs.reason}
    transfer = pairs.transfer
    against = next(each.name for each in comparison.arms if pairs.references[0] in each.runs)
    return {
        "forward_transfer": {
            "points": round(transfer.points, 2),
            "standard_error": known(transfer.error),
            "standard_error_over_seeds": known(pairs.error_over_seeds),
            "pairs": transfer.count,
            "by_tasks_known": [known(gain) for gain in mean_known(pairs.gains)],
            "against": against,
        }
    }


def known(value: float, *, digits: int = 2) -> float | None:
    """Return a number as it is published; None for NaN."""
    return None if np.isnan(value) else round(float(value), digits)


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean and standard deviation over seeds; None for the deviation of a single one."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return {"mean": round(statistics.fmean(values), 3), "sd": known(deviation, digits=3)}
