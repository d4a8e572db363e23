"""Measure what the prefixes of finished tasks carry: what is left when others are put in their place.

    python scripts/measure_prefixes.py vision --runs RUNS/adaprefix-0 RUNS/adaprefix-1 --data DATA --out FILE

Every task but the first is tested with its own adapters and head, and with the prefixes of the task before it, or with
zeros: keys and values that hold nothing but a place in the attention. Folders are named ARM-SEED, as
scripts/measure_arms.py names them. `scripts/arms_tables.py` makes the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

from edgecl.backbones.huggingface import Backbone
from edgecl.cli.output import note
from edgecl.evaluation.scores import Score
from edgecl.streams import TaskSpec
from edgecl.training.features import predictions
from edgecl.training.ready import prepare
from edgecl.training.run import PACK_DTYPE, Run
from edgecl.training.train import load_run_backbone
from edgecl_runtime.tensors import TaskTensors
from scripts.arms_summary import spread
from scripts.result_files import surroundings, write_result
from scripts.stream_runs import exit_code, require_tasks, stream_names, stream_tasks

KINDS = "own", "of_the_task_before", "zeros"


def variants(own: TaskTensors, before: TaskTensors) -> dict[str, TaskTensors]:
    """Return a task with its prefixes, with those of the task before it, and with zeros, by kind."""
    zeros = np.zeros_like(own.prefix_k)
    swapped = (own, replace(own, prefix_k=before.prefix_k, prefix_v=before.prefix_v))
    return dict(zip(KINDS, (*swapped, replace(own, prefix_k=zeros, prefix_v=zeros)), strict=True))


def measured(run: Run, backbone: Backbone, specs: Sequence[TaskSpec]) -> list[dict[str, Any]]:
    """Return the score of every task but the first by kind of prefixes, percent."""
    rows = []
    for (before, record), spec in zip(pairwise(run.tasks), specs[1:], strict=True):
        ready = prepare(spec, backbone, seed=run.record.config.seed, on_items=lambda *_: None)
        row: dict[str, Any] = {"task": record.name}
        for kind, task in variants(run.tensors(record.name), run.tensors(before.name)).items():
            predicted = predictions(
                backbone.module,
                ready.prepared.test,
                preprocessor=backbone.preprocessor,
                task=task.rounded(PACK_DTYPE),
            )
            score = Score.of(predicted, ready.data.test.targets)
            row[kind] = score.to_look_at(dominated=record.is_balanced)
        note(f"{run.folder.name}, {record.name}: " + ", ".join(f"{kind} {row[kind]:.1f}" for kind in KINDS))
        rows.append(row)
    return rows


def of_arm(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean and deviation over seeds by kind of prefixes, and the largest difference that zeros make."""
    scores = {kind: [[row[kind] for row in run["tasks"]] for run in runs] for kind in KINDS}
    differences = np.abs(np.subtract(scores["own"], scores["zeros"]))
    found = {kind: spread([float(np.mean(tasks)) for tasks in scores[kind]]) for kind in KINDS}
    return {**found, "largest_difference": round(float(differences.max()), 2), "seeds": len(runs)}


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stream", choices=stream_names())
    parser.add_argument("--runs", type=Path, nargs="+", required=True, metavar="ARM-SEED")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> int:
    """Measure every run, and write the result file after each."""
    options = parse_arguments()
    specs = stream_tasks(options.stream, options.data)
    arms: dict[str, list[dict[str, Any]]] = {}
    for folder in options.runs:
        run = Run.open(folder)
        require_tasks(run, specs)
        rows = measured(run, load_run_backbone(run), specs)
        arm = folder.name.rpartition("-")[0]
        arms.setdefault(arm, []).append({"seed": run.record.config.seed, "tasks": rows})
        result = {
            "stream": options.stream,
            "fingerprint": run.record.fingerprint,
            "image_size": run.record.config.backbone.image_size,
            "summary": {name: of_arm(runs) for name, runs in arms.items()},
            "runs": arms,
            **surroundings("edgecl", "torch", "transformers"),
        }
        write_result(options.out, result)
    print(json.dumps(result["summary"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
