"""Train the tasks of a stream with several arms over several seeds, and write what each reached.

    python scripts/measure_arms.py vision --arms adapter adaprefix++ joint --data DATA --backbone VIT_FOLDER \
        --set backbone.image_size=112 --runs RUNS --out docs/results/arms-vision.json

The linear head on frozen features is always among them, and the floors are measured with it, once a seed.

DATA holds the data sets as plain folders, by the names in scripts/streams/. RUNS keeps the run folders: the same
command goes on where it was stopped. `edgecl report RUNS/...` draws them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import msgspec
import numpy as np

from edgecl.arms import arm_names
from edgecl.cli.output import TrainingConsole, note
from edgecl.config import read_config
from edgecl.evaluation.matrix import forward_transfer
from edgecl.streams import TaskSpec, read_stream
from edgecl.training.run import Run
from edgecl.training.train import train_stream
from edgecl.training.versions import package_versions

STREAMS = Path(__file__).parent / "streams"
FLOOR_ARM = "linear-head"
CEILING = 95.0
"""Percent: tasks whose best floor is above it on the mean of all seeds cannot tell methods apart."""


def stream_tasks(name: str, data: Path, *, reverse: bool) -> list[TaskSpec]:
    """Return the tasks of a stream with their data below a folder."""
    stream = read_stream(STREAMS / f"{name}.toml")
    tasks = [
        msgspec.structs.replace(spec, data=data / spec.data.relative_to(STREAMS)) for spec in stream.tasks
    ]
    return tasks[::-1] if reverse else tasks


def measured(run: Run, floors: Run) -> dict[str, Any]:
    """Return what a finished run holds: each task as trained, and all of them after the last one.

    Args:
        run: The run.
        floors: The run of the same seed and tasks with the floors.
    """
    best_floor = {task.name: task.best_floor for task in floors.tasks}
    tasks = run.tasks
    last = run.after(tasks[-1].name)
    rows = []
    for task in tasks:
        row: dict[str, Any] = {
            "task": task.name,
            "score": task.score,
            "accuracy": task.accuracy,
            "balanced_accuracy": task.balanced_accuracy,
            "best_floor": best_floor[task.name],
            "seconds": task.seconds,
            "steps": task.steps,
            "size_bytes": task.size_bytes,
            "shared_bytes": task.shared_bytes,
            "peak_bytes": task.peak_bytes,
            "parent": task.parent,
        }
        if last is not None and task.name in last.now:
            now = last.now[task.name]
            row["at_the_end"] = now.balanced_accuracy if task.dominated else now.accuracy
            row["shipped_unchanged"] = last.shipped_unchanged[task.name]
            row["drift"] = last.drift[task.name]
        rows.append(row)
    return {"seed": run.record.config.seed, "tasks": rows}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation over seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.fmean(values), 2), "sd": round(deviation, 2)}


def summary(arms: dict[str, list[dict[str, Any]]], *, alone: str | None) -> dict[str, Any]:
    """Return the table: per arm mean and deviation over seeds of the tasks that can tell methods apart.

    Args:
        arms: The runs of each arm, in the order of seeds.
        alone: The arm that forward transfer is measured against; None for no transfer.
    """
    floors: dict[str, list[float]] = {}
    for runs in arms.values():
        for run in runs:
            for task in run["tasks"]:
                floors.setdefault(task["task"], []).append(task["best_floor"])
    mean_floor = {name: statistics.fmean(values) for name, values in floors.items()}
    counted = [name for name, value in mean_floor.items() if value <= CEILING]

    def mean(run: dict[str, Any], key: str) -> float:
        return statistics.fmean(task[key] for task in run["tasks"] if task["task"] in counted)

    table: dict[str, Any] = {}
    for arm, runs in arms.items():
        rows = [task for run in runs for task in run["tasks"]]
        table[arm] = {
            "score": spread([mean(run, "score") for run in runs]),
            "gain_over_best_floor": spread([mean(run, "score") - mean(run, "best_floor") for run in runs]),
            "seconds_per_task": round(statistics.fmean(task["seconds"] for task in rows), 1),
            "bytes_per_task": round(statistics.fmean(task["size_bytes"] for task in rows)),
            "shared_bytes": max(task["shared_bytes"] for task in rows),
            "seeds": len(runs),
        }
        if all("at_the_end" in task for task in rows):
            table[arm]["at_the_end"] = spread([mean(run, "at_the_end") for run in runs])
            table[arm]["forgetting"] = spread([mean(run, "score") - mean(run, "at_the_end") for run in runs])
            table[arm]["largest_drift"] = max(task["drift"] for task in rows)
            table[arm]["shipped_unchanged"] = all(task["shipped_unchanged"] for task in rows)
        if alone in arms and arm not in {alone, FLOOR_ARM} and len(runs) == len(arms[alone]):
            table[arm]["forward_transfer"] = transfer_table(runs, arms[alone])
    return {
        "best_floor": {name: round(value, 2) for name, value in mean_floor.items()},
        "counted": counted,
        "mean_best_floor": round(statistics.fmean(mean_floor[name] for name in counted), 2),
        "arms": table,
    }


def transfer_table(runs: list[dict[str, Any]], alone: list[dict[str, Any]]) -> dict[str, Any]:
    """Return forward transfer over all tasks but the first, and the mean gain by the number of tasks known before."""
    trained, reference = (
        np.array([[task["score"] for task in run["tasks"]] for run in each]) for each in (runs, alone)
    )
    transfer = forward_transfer(trained, reference)
    return {
        "points": round(transfer.points, 2),
        "standard_error": round(transfer.error, 2),
        "pairs": transfer.count,
        "by_tasks_known": [round(float(gain), 2) for gain in (trained - reference).mean(axis=0)],
    }


def main() -> int:
    """Measure and write the result file after every run, so that a stopped command has written what it has."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stream", choices=sorted(path.stem for path in STREAMS.glob("*.toml")))
    parser.add_argument("--arms", nargs="+", choices=arm_names(), required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--alone", metavar="ARM", help="Measure forward transfer of the other arms against it."
    )
    parser.add_argument("--reverse", action="store_true", help="The tasks in reversed order.")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tasks = stream_tasks(options.stream, options.data, reverse=options.reverse)
    settings = dict(setting.split("=", maxsplit=1) for setting in options.settings)
    if "evaluation.floors" in settings:
        parser.error("evaluation.floors is set by this command: the floors are measured once a seed")
    arms: dict[str, list[dict[str, Any]]] = {}
    for seed in options.seeds:
        floors: Run | None = None
        for arm in dict.fromkeys((FLOOR_ARM, *options.arms)):
            note(f"{arm}, seed {seed}")
            overrides = {
                "seed": seed,
                "backbone.source": options.backbone,
                "evaluation.floors": floors is None,
                **settings,
            }
            config = read_config(None, overrides=overrides, arm=arm)
            with TrainingConsole() as console:
                run = train_stream(config, tasks, options.runs / f"{arm}-{seed}", report=console)
            floors = floors or run
            arms.setdefault(arm, []).append(measured(run, floors))
            result = {
                "stream": options.stream,
                "reversed": options.reverse,
                "backbone": Path(options.backbone).name,
                "settings": settings,
                "summary": summary(arms, alone=options.alone),
                "runs": arms,
                "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, Python {platform.python_version()}",
                "versions": package_versions("edgecl", "torch", "transformers", "scikit-learn", "peft"),
            }
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["summary"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
