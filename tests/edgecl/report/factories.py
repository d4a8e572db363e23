"""Run folders as training writes them, with numbers that a test can foresee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecl.config import BackboneConfig, RunConfig
from edgecl.evaluation.scores import Score
from edgecl.training.gate import Gain
from edgecl.training.heldout import HeldOut
from edgecl.training.records import AfterTask, RunRecord, TaskRecord
from edgecl.training.run import Learned, Run
from edgecl.training.signature import store_signature
from edgecl_runtime.tensors import TaskTensors, expected_shapes
from tests.edgecl.factories import DIMENSIONS, changed

FINGERPRINT = "ab" * 32
TASKS = ("bolts", "leaves", "signs")


def make_record(name: str, position: int = 0, **changes: Any) -> TaskRecord:
    """Return the record of a task of two classes."""
    fields: dict[str, Any] = {
        "labels": ("good", "bad"),
        "data": f"/data/{name}",
        "data_fingerprint": "0" * 64,
        "train_items": 40,
        "test_items": 20,
        "accuracy": 80.0,
        "losses": (0.7, 0.5),
        "steps": 4,
        "seconds": 10.0,
        "versions": {"torch": "2.13.0"},
        "balanced_accuracy": 70.0,
        "floors": make_floors(60.0),
        "size_bytes": 158_238,
        "peak_bytes": 2_000_000_000,
    }
    return TaskRecord(name=name, position=position, **{**fields, **changes})


def make_floors(best: float) -> dict[str, Score]:
    """Return floors of which one is the best."""
    return {"ridge": Score(best, best - 5), "lda": Score(best - 1, best - 6)}


def make_run(
    folder: Path,
    records: Sequence[TaskRecord],
    *,
    seed: int = 0,
    fingerprint: str = FINGERPRINT,
    **tables: Any,
) -> Run:
    """Write a run in which these tasks are finished, with settings of some tables changed."""
    backbone = BackboneConfig(source="/models/vit", image_size=32, pooling="cls")
    config = changed(RunConfig(seed=seed, backbone=backbone), **tables)
    run = Run.create(folder, RunRecord(config, fingerprint=fingerprint, modality="image"))
    for record in records:
        run.task_folder(record.name).mkdir(parents=True)
        run.save_task(record, Learned(make_tensors(), peer={}, state={}), make_heldout())
    return run


def make_plain_run(folder: Path, *scores: float, seed: int = 0, **tables: Any) -> Run:
    """Write a run of the first tasks of `TASKS`, one for each score."""
    named = zip(TASKS, scores, strict=False)
    records = [make_record(name, place, accuracy=score) for place, (name, score) in enumerate(named)]
    return make_run(folder, records, seed=seed, **tables)


def make_ordered_run(folder: Path, *names: str, seed: int = 0) -> Run:
    """Write a run that learned these tasks in this order."""
    return make_run(folder, [make_record(name, place) for place, name in enumerate(names)], seed=seed)


def save_after(
    run: Run,
    name: str,
    now: Mapping[str, float],
    *,
    changed_tasks: Sequence[str] = (),
    drift: Mapping[str, float] | None = None,
    class_incremental: Mapping[str, float] | None = None,
    domain_incremental: Mapping[str, float] | None = None,
) -> None:
    """Write how tasks did after a task; the balanced accuracies are 5 points lower."""
    run.save_after(
        name,
        AfterTask(
            now={each: Score(score, score - 5) for each, score in now.items()},
            shipped_unchanged={each: each not in changed_tasks for each in now},
            drift=dict.fromkeys(now, 0.0) if drift is None else dict(drift),
            class_incremental=dict(class_incremental or {}),
            domain_incremental=dict(domain_incremental or {}),
        ),
    )


def save_signatures(run: Run, **places: float) -> None:
    """Write signatures of tasks whose bare features are all at one place on a line: their distances can be seen."""
    for name, place in places.items():
        store_signature(run, name, np.full((2, 1), place, np.float32))


def make_gain(points: float, error: float = 1.0) -> Gain:
    """Return what a candidate gained."""
    return Gain(points, error)


def make_tensors() -> TaskTensors:
    """Return the smallest tensors that a run stores."""
    shapes = expected_shapes(DIMENSIONS, prefix_length=1, rank=1, classes=2)
    return TaskTensors(**{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def make_heldout() -> HeldOut:
    """Return one held-out image."""
    return HeldOut((np.zeros((4, 4, 3), np.uint8),), np.zeros(1, np.int64))
