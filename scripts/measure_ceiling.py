"""Measure how much there is to transfer: each task after one module was trained on all the others at once.

    python scripts/measure_ceiling.py omniglot-5 --seeds 0 --data DATA --backbone VIT_FOLDER \
        --set backbone.image_size=64 --runs RUNS --out docs/results/ceiling-omniglot-5.json

For every task of the stream, adapter and prefix are trained jointly on the other tasks (arm `joint`), and the task
starts from them (arm `warm-start`). It is compared with the task alone (arm `adaprefix`). In a stream the first tasks
have seen less than that, so it was meant as a ceiling on what any order can give with these modules and this recipe;
where tasks are related, starts from averages have gone above it (docs/transfer.md).

`--folds N` leaves out every N-th task at once instead of one by one: fewer modules to train, from fewer tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import msgspec
import numpy as np

from edgecl.cli.output import TrainingConsole, note
from edgecl.config import RunConfig, filled_in, read_config, resolve
from edgecl.evaluation.matrix import forward_transfer
from edgecl.streams import TaskSpec
from edgecl.training.records import RunRecord
from edgecl.training.run import Learned, Run
from edgecl.training.train import add_tasks
from scripts.arms_summary import known
from scripts.result_files import command_line, surroundings, write_result
from scripts.stream_runs import (
    exit_code,
    read_settings,
    require_tasks,
    setting,
    stream_names,
    stream_tasks,
    trained,
)


def config_of(arm: str, seed: int, options: argparse.Namespace) -> RunConfig:
    """Return the settings of an arm; neither floors nor earlier tasks are looked at."""
    overrides = {
        "seed": seed,
        "backbone.source": options.backbone,
        "evaluation.floors": False,
        "evaluation.matrix": "none",
        **read_settings(options.settings),
    }
    return read_config(None, overrides=overrides, arm=arm)


def after_the_others(
    left_out: Sequence[TaskSpec], others: Sequence[TaskSpec], seed: int, options: argparse.Namespace
) -> dict[str, float]:
    """Return what each task that was left out reaches from a module that was trained on the others at once."""
    names = "+".join(task.name for task in left_out)
    note(f"{names} after the others, seed {seed}")
    joint = trained(config_of("joint", seed, options), others, options.runs / f"without-{names}-{seed}")
    return {task.name: score_after(joint, others[0], task, seed, options) for task in left_out}


def score_after(joint: Run, first: TaskSpec, task: TaskSpec, seed: int, options: argparse.Namespace) -> float:
    """Return what a task reaches from the module of a joint run, whose first task it is shown as that of."""
    folder = joint.folder.with_name(f"{joint.folder.name}-then-{task.name}")
    config = config_of("warm-start", seed, options)
    if (folder / "run.json").exists():  # goes on as it was begun
        config = filled_in(config, Run.open(folder).record.config)
    record = msgspec.structs.replace(joint.record, config=resolve(config, joint.record.modality))
    if not any(folder.glob("tasks/*/task.json")):
        start_from(joint, record, folder)
    Run.refuse_other(folder, record)
    with TrainingConsole() as console:
        run = add_tasks(folder, [task], report=console)
    require_tasks(run, [first, task])
    return run.task(task.name).score


def start_from(joint: Run, record: RunRecord, folder: Path) -> None:
    """Make a run whose one task has the module of a joint run, for the next task to start from."""
    shutil.rmtree(folder, ignore_errors=True)
    first, run = joint.names[0], Run.create(folder, record)
    run.task_folder(first).mkdir(parents=True)
    learned = Learned(joint.tensors(first), peer={}, state={})
    run.save_task(joint.task(first), learned, joint.heldout(first))


def result(
    options: argparse.Namespace, fingerprint: str, after: np.ndarray, alone: np.ndarray, names: list[str]
) -> dict[str, Any]:
    """Return the content of the result file from scores [seeds, T] on the backbone of a fingerprint."""
    # Every task has all others before it, so that none is left out as the first one is in a stream.
    found = forward_transfer(*(np.concatenate([each[:, :1], each], axis=1) for each in (after, alone)))
    return {
        "command": command_line(),
        "stream": options.stream,
        "seeds": options.seeds[: len(after)],
        "backbone": Path(options.backbone).name,
        "fingerprint": fingerprint,
        "settings": options.settings,
        "folds": min(options.folds or len(names), len(names)),
        "points": round(found.points, 2),
        "standard_error": known(found.error),
        "tasks": {
            name: {
                "alone": round(float(alone[:, place].mean()), 2),
                "after_the_others": round(float(after[:, place].mean()), 2),
            }
            for place, name in enumerate(names)
        },
        **surroundings("edgecl", "torch", "transformers"),
    }


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stream", choices=stream_names())
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--set", dest="settings", nargs="*", type=setting, default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--per-class", type=int, help="Training items of each class, instead of the stream's."
    )
    parser.add_argument(
        "--folds", type=int, help="Leave out every N-th task at once; one task after the other if absent."
    )
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.folds is not None and options.folds < 2:
        parser.error(f"--folds: found {options.folds}, expected 2 or more: the others are learned from")
    return options


def main() -> int:
    """Measure every task and write the result file after each seed."""
    options = parse_arguments()
    tasks = stream_tasks(options.stream, options.data, per_class=options.per_class)
    count = min(options.folds or len(tasks), len(tasks))
    folds = [tasks[place::count] for place in range(count)]
    later: list[list[float]] = []
    alone: list[list[float]] = []
    for seed in options.seeds:
        run = trained(config_of("adaprefix", seed, options), tasks, options.runs / f"adaprefix-{seed}")
        alone.append([run.task(task.name).score for task in tasks])
        found: dict[str, float] = {}
        for fold in folds:
            others = [task for task in tasks if task not in fold]
            found |= after_the_others(fold, others, seed, options)
        later.append([found[task.name] for task in tasks])
        names, fingerprint = [task.name for task in tasks], run.record.fingerprint
        written = result(options, fingerprint, np.array(later), np.array(alone), names)
        write_result(options.out, written)
    print(json.dumps(written, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
