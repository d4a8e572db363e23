"""What the tasks of a finished run reach, and take, in each type that packs store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgecl.evaluation.scores import Score
from edgecl.streams import TaskSpec
from edgecl.training.features import predictions
from edgecl.training.ready import prepare
from edgecl.training.run import Run
from edgecl.training.train import load_run_backbone
from edgecl_runtime.pack_layout import packed
from edgecl_runtime.tensors import TaskTensors

KINDS = {"float16": "F16", "int8": "I8"}
"""Types of packs, by the names they have in result files."""


def stored(tensors: TaskTensors, kind: str) -> tuple[TaskTensors, int]:
    """Return a task as a pack of a type says it, and the bytes of its tensors there."""
    rounded = tensors.rounded(kind)
    arrays = packed(rounded, int8=kind == "I8")
    return rounded, sum(array.nbytes for array in arrays.values())


def rounded_rows(run: Run, specs: Sequence[TaskSpec]) -> Iterator[dict[str, Any]]:
    """Yield of each task its test items, score in percent and bytes in each type, and how many labels differ."""
    backbone = load_run_backbone(run)
    for spec in specs:
        ready = prepare(spec, backbone, seed=run.record.config.seed, on_items=lambda *_: None)
        targets = ready.data.test.targets
        row: dict[str, Any] = {"task": spec.name, "items": len(targets)}
        labels = []
        for kind, dtype in KINDS.items():
            tensors, size_bytes = stored(run.tensors(spec.name), dtype)
            predicted = predictions(
                backbone.module, ready.prepared.test, preprocessor=backbone.preprocessor, task=tensors
            )
            score = Score.of(predicted, targets)
            row[kind] = {
                "score": score.to_look_at(dominated=run.task(spec.name).is_balanced),
                "bytes": size_bytes,
            }
            labels.append(np.asarray(predicted))
        row["labels_differ"] = int(np.count_nonzero(labels[0] != labels[1]))
        yield row
