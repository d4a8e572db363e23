"""The numbers of a report as one JSON object; null where there is none, with the reason beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgecl.evaluation.matrix import Matrix
from edgecl.report.arms import EASY, Comparison
from edgecl.report.measured import MeasuredRun, is_shipped
from edgecl.report.numbers import Missing, Spread
from edgecl.report.summary import Summary
from edgecl.report.transfer import ForwardTransfer

NUMBERS = (
    "score",
    "score_now",
    "anytime_shipped",
    "anytime_now",
    "floor",
    "gain",
    "forgetting_shipped",
    "forgetting_now",
    "backward_now",
    "transfer",
    "class_incremental",
    "domain_incremental",
    "size_bytes",
    "shared_bytes",
    "seconds",
    "peak_bytes",
)


def report_to_json(comparison: Comparison, summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return all numbers of a report; accuracies in percent."""
    first = comparison.runs[0].record
    return {
        "backbone": {"source": first.config.backbone.source, "fingerprint": first.fingerprint},
        "modality": first.modality,
        "tasks": list(comparison.tasks),
        "left_out": [name for name in comparison.tasks if name in comparison.left_out],
        "left_out_above": EASY,
        "alone": [str(run.folder) for run in comparison.alone],
        "arms": [_arm(summary) for summary in summaries],
    }


def _arm(summary: Summary) -> dict[str, Any]:
    numbers = {name: getattr(summary, name) for name in NUMBERS}
    return {
        "arm": summary.arm.name,
        "method": summary.arm.config.method.name,
        "is_shipped": summary.is_shipped,
        "seeds": list(summary.arm.seeds),
        **{name: _number(number) for name, number in numbers.items()},
        "missing": {name: each.reason for name, each in numbers.items() if isinstance(each, Missing)},
        "verified_unchanged": list(summary.verified),
        "changed": list(summary.changed),
        "runs": [_run(run) for run in summary.arm.runs],
    }


def _number(number: Spread | ForwardTransfer | Missing) -> dict[str, Any] | None:
    match number:
        case Spread(mean, deviation, runs):
            return {"mean": mean, "deviation": deviation, "runs": runs}
        case ForwardTransfer(pairs, over_seeds, seeds):
            return {
                "mean": pairs.points,
                "standard_error": _finite(pairs.error),
                "standard_error_over_seeds": _finite(over_seeds),
                "differences": pairs.count,
                "seeds": seeds,
            }
        case Missing():
            return None


def _run(run: MeasuredRun) -> dict[str, Any]:
    return {
        "run": str(run.folder),
        "seed": run.seed,
        "settings": msgspec.to_builtins(run.record.config),
        "tasks": [
            {
                "task": task.name,
                "score": task.score,
                "accuracy": task.accuracy,
                "balanced_accuracy": task.balanced_accuracy,
                "dominated": task.dominated,
                "best_floor": task.best_floor,
                "floors_from": _path(run.floors_from.get(task.name)),
                "classes": len(task.labels),
                "train_items": task.train_items,
                "test_items": task.test_items,
                "seconds": task.seconds,
                "size_bytes": task.size_bytes,
                "shared_bytes": task.shared_bytes,
                "peak_bytes": task.peak_bytes,
                "parent": task.parent,
                "parent_gains": msgspec.to_builtins(task.parent_gains),
                "parent_evidence": msgspec.to_builtins(task.parent_evidence),
                "guided_by": task.guided_by,
                "shipped_unchanged": is_same if is_shipped(run.record.config) else None,
                "class_incremental": run.class_incremental.get(task.name),
                "domain_incremental": run.domain_incremental.get(task.name),
            }
            for task, is_same in zip(run.tasks, run.shipped.unchanged, strict=True)
        ],
        "shipped": _rows(run.shipped.accuracy),
        "now": _rows(run.now.accuracy),
        "drift": _rows(run.drift),
        "distances": _rows(run.distances),
    }


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _rows(matrix: Matrix) -> list[list[float | None]]:
    return [[_finite(float(value)) for value in row] for row in np.asarray(matrix)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
