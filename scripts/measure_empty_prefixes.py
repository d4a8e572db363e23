"""Measure what prefixes that hold nothing do to frozen features: keys and values of zero, and no training at all.

    python scripts/measure_empty_prefixes.py vision --lengths 0 10 40 --data DATA --backbone VIT_FOLDER \
        --image-size 112 --out FILE

Every attention then sees so many more places of logit 0 and value 0: its outputs shrink, each by its own factor. The
result is the best floor (ridge, LDA, logistic regression) on the features so made. `scripts/arms_tables.py` makes the
table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.cli.output import note
from edgecl.evaluation import frozen_feature_floors
from edgecl.report.arms import EASY
from edgecl.streams import TaskSpec
from edgecl.training.features import features
from edgecl.training.ready import prepare
from edgecl_runtime.tensors import TaskTensors, expected_shapes
from scripts.arms_summary import spread
from scripts.result_files import command_line, surroundings, write_result
from scripts.stream_runs import exit_code, stream_names, stream_tasks


def empty_task(backbone: Backbone, length: int) -> TaskTensors:
    """Return a task that does nothing but take so many places in every attention."""
    shapes = expected_shapes(backbone.spec.dimensions, prefix_length=length, rank=0, classes=1)
    return TaskTensors(**{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def floors(backbone: Backbone, spec: TaskSpec, lengths: list[int], seed: int) -> dict[int, float]:
    """Return the best floor of a task by the length of its empty prefixes, percent."""
    ready = prepare(spec, backbone, seed=seed, on_items=lambda *_: None)
    found = {}
    for length in lengths:
        train, test = (
            features(
                backbone.module,
                items,
                preprocessor=backbone.preprocessor,
                task=empty_task(backbone, length),
            )
            for items in (ready.prepared.train, ready.prepared.test)
        )
        targets = ready.data.train.targets, ready.data.test.targets
        found[length] = frozen_feature_floors(train, targets[0], test, targets[1]).best
    note(f"{spec.name}, seed {seed}: " + ", ".join(f"{at} places {best:.1f}" for at, best in found.items()))
    return found


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("stream", choices=stream_names())
    add("--lengths", type=int, nargs="+", default=[0, 10, 40])
    add("--only", nargs="+", metavar="TASK", help="Tasks of the stream; all if absent.")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--data", type=Path, required=True)
    add("--backbone", required=True)
    add("--image-size", type=int, help="Of images, in pixels; the backbone's own if absent.")
    add("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> int:
    """Measure every task over all seeds, and write the result file after each."""
    options = parse_arguments()
    backbone = load_backbone(options.backbone, image_size=options.image_size)
    tasks: dict[str, dict[int, list[float]]] = {}
    for spec in stream_tasks(options.stream, options.data, only=options.only):
        tasks[spec.name] = {length: [] for length in options.lengths}
        for seed in options.seeds:
            for length, best in floors(backbone, spec, options.lengths, seed).items():
                tasks[spec.name][length].append(best)
        result: dict[str, Any] = {
            "command": command_line(),
            "stream": options.stream,
            "seeds": options.seeds,
            "backbone": Path(options.backbone).name,
            "fingerprint": backbone.fingerprint,
            "image_size": options.image_size,
            "best_floor": {
                name: {length: spread(values) for length, values in by_length.items()}
                for name, by_length in tasks.items()
            },
            "counted": [
                name
                for name, by_length in tasks.items()
                if statistics.fmean(by_length[options.lengths[0]]) <= EASY
            ],
            **surroundings("edgecl", "torch", "transformers", "scikit-learn"),
        }
        write_result(options.out, result)
    print(json.dumps(result["best_floor"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
