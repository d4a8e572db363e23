"""Measure the whole way on real data: train, export, evaluate with the runtime, add a task to what is in the field.

    python scripts/measure_streams.py vision --data FOLDER --backbone VIT_FOLDER --out docs/results/vision-3.json
    python scripts/measure_streams.py text   --data FOLDER --backbone MINILM_FOLDER --out docs/results/text-3.json

FOLDER holds the data sets as plain folders: gtsrb, trashnet, plant_leaves-tomato and pacs-sketch with
train/CLASS/ and test/CLASS/, or trec6-trec, sst2, subj and mr with train.jsonl and test.jsonl.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

from edgecl.cli.output import TrainingConsole, note
from edgecl.config import read_config
from edgecl.evaluation.evaluate import TaskAccuracy, evaluate_tasks
from edgecl.streams import TaskSpec, check_items, load_task
from edgecl.training.features import features
from edgecl.training.run import PACK_DTYPE, Run
from edgecl.training.train import add_tasks, load_run_backbone, train_stream
from edgecl_devices import load_profile
from edgecl_export.bundle import add_pack, export_run
from edgecl_runtime import Runtime
from edgecl_runtime.heads import linear_scores
from scripts.arms_summary import spread
from scripts.result_files import surroundings, write_result

TRAIN_ITEMS, TEST_ITEMS = 400, 500
SIGNS = 15


@dataclass(frozen=True, slots=True)
class Plan:
    """One stream of three tasks, and the task that is added to the finished run.

    Attributes:
        stream: Folder by task, in order.
        added: Name and folder of the fourth task.
        settings: What the backbone is asked for.
    """

    stream: dict[str, str]
    added: tuple[str, str]
    settings: dict[str, Any]


PLANS = {
    "vision": Plan(
        {"signs": "gtsrb", "waste": "trashnet", "tomato-leaves": "plant_leaves-tomato"},
        ("sketches", "pacs-sketch"),
        {"backbone.image_size": 112},
    ),
    "text": Plan(
        {"trec6": "trec6-trec", "sst2": "sst2", "subj": "subj"}, ("mr", "mr"), {"backbone.max_tokens": 32}
    ),
}


def task_spec(name: str, folder: Path) -> TaskSpec:
    """Return a task of at most 400 training and 500 test items; of the signs, the first 15 classes by name."""
    classes = None
    if name == "signs":
        classes = tuple(sorted(entry.name for entry in (folder / "train").iterdir())[:SIGNS])
    return TaskSpec(name=name, data=folder, classes=classes, train_items=TRAIN_ITEMS, test_items=TEST_ITEMS)


def measure(plan: Plan, *, data: Path, backbone: str, seed: int, folder: Path) -> dict[str, Any]:
    """Go the whole way once, in `folder`, and return what was measured."""
    overrides = {"seed": seed, "backbone.source": backbone, **plan.settings}
    config = read_config(None, overrides=overrides, arm="adaprefix")
    tasks = [task_spec(name, data / place) for name, place in plan.stream.items()]
    with TrainingConsole() as console:
        run = train_stream(config, tasks, folder / "run", report=console)
    exported = export_run(
        run, folder / "bundle", device=load_profile("generic-cpu"), on_parity=lambda _: None
    )
    for error in exported.refused:
        raise error
    runtime = Runtime.open(exported.bundle)
    measured = evaluate_tasks(runtime, tasks, on_task=lambda _: None)
    in_the_field = _digests(exported.bundle)
    added = task_spec(plan.added[0], data / plan.added[1])
    with TrainingConsole() as console:
        add_tasks(run.folder, [added], report=console)
    pack = folder / f"{added.name}-1.ecpack"
    add_pack(Run.open(run.folder), added.name, bundle_folder=exported.bundle, out=pack, version=1)
    runtime.add(pack)
    fourth = evaluate_tasks(runtime, [added], on_task=lambda _: None)
    return {
        "seed": seed,
        "tasks": [_row(task) for task in measured],
        "average_accuracy": statistics.fmean(task.accuracy for task in measured),
        "average_best_floor": statistics.fmean(task.floors.best for task in measured),
        "average_gain": statistics.fmean(task.gain for task in measured),
        "added_task": _row(fourth[0]),
        "earlier_files_unchanged": _digests(exported.bundle) == in_the_field,
        "gate": [asdict(parity) for parity in exported.parity],
        "all_test_items": _parity_on_all_test_items(run, runtime, [*tasks, added], seed),
        "pack_bytes": max(path.stat().st_size for path in exported.packs),
        "backbone_bytes": runtime.bundle.graph_path.stat().st_size,
        "config": json.loads((run.folder / "run.json").read_text())["config"],
    }


def _parity_on_all_test_items(
    run: Run, runtime: Runtime, tasks: Sequence[TaskSpec], seed: int
) -> list[dict[str, Any]]:
    """Compare torch in float32 with the runtime on every test item: features, and labels that differ."""
    backbone = load_run_backbone(run)
    rows = []
    for spec in tasks:
        data = load_task(spec, seed=seed)
        prepared = check_items(data, backbone.preprocessor).test
        tensors = run.tensors(spec.name).rounded(PACK_DTYPE)
        expected = features(backbone.module, prepared, preprocessor=backbone.preprocessor, task=tensors)
        found = runtime.predict(data.test.items, task=spec.name)
        labels = linear_scores(expected, tensors.head_weight, tensors.head_bias).argmax(axis=1)
        differ = sum(data.labels[label] != other for label, other in zip(labels, found.labels, strict=True))
        rows.append(
            {
                "task": spec.name,
                "items": len(found.labels),
                "max_feature_difference": float(np.abs(expected - found.features).max()),
                "largest_feature": float(np.abs(expected).max()),
                "labels_differ": int(differ),
            }
        )
    return rows


def _row(task: TaskAccuracy) -> dict[str, Any]:
    return asdict(task) | {"best_floor": task.floors.best, "gain": task.gain}


def _digests(bundle: Path) -> dict[str, str]:
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    return {str(path.relative_to(bundle)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation over seeds of what the README quotes."""
    names = [task["task"] for task in runs[0]["tasks"]]
    return {
        "average_accuracy": spread([run["average_accuracy"] for run in runs]),
        "average_best_floor": spread([run["average_best_floor"] for run in runs]),
        "average_gain": spread([run["average_gain"] for run in runs]),
        "tasks": {
            name: {
                key: spread([run["tasks"][place][key] for run in runs])
                for key in ("accuracy", "best_floor", "gain")
            }
            for place, name in enumerate(names)
        },
        "added_task": {
            key: spread([run["added_task"][key] for run in runs])
            for key in ("accuracy", "best_floor", "gain")
        },
        "labels_differ": sum(row["labels_differ"] for run in runs for row in run["all_test_items"]),
        "items_compared": sum(row["items"] for run in runs for row in run["all_test_items"]),
        "max_feature_difference": max(
            row["max_feature_difference"] for run in runs for row in run["all_test_items"]
        ),
    }


def main() -> int:
    """Measure a stream over seeds and write the result file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stream", choices=sorted(PLANS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = []
    for seed in options.seeds:
        note(f"seed {seed}")
        with tempfile.TemporaryDirectory() as folder:
            runs.append(
                measure(
                    PLANS[options.stream],
                    data=options.data,
                    backbone=options.backbone,
                    seed=seed,
                    folder=Path(folder),
                )
            )
    for run in runs:
        run["config"]["backbone"]["source"] = Path(options.backbone).name
    result = {
        "stream": options.stream,
        "summary": summary(runs),
        "runs": runs,
        **surroundings("edgecl", "torch", "transformers", "onnx", "onnxruntime", "scikit-learn"),
    }
    write_result(options.out, result)
    print(json.dumps(result["summary"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
