"""Train the tasks of a stream with several arms over several seeds, and write what each reached.

    python scripts/measure_arms.py vision --arms adapter adaprefix++ joint --data DATA --backbone VIT_FOLDER \
        --set backbone.image_size=112 --runs RUNS --out docs/results/arms-vision.json
    python scripts/measure_arms.py omniglot-5 --arms adaprefix gated gated:transfer.learning_rate_factor=0.3 \
        --alone adaprefix --data DATA --backbone VIT_FOLDER --runs RUNS --out FILE

The linear head on frozen features is always among them, and the floors are measured with it, once a seed. With
`--add` both are those of the result file that is there already, whose other arms stay.
`ARM:KEY=VALUE,...` is an arm with settings of its own, beside the arm as it ships.

DATA holds the data sets as plain folders, by the names in scripts/streams/. RUNS keeps the run folders: the same
command goes on where it was stopped. `edgecl report RUNS/...` draws them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from edgecl.arms import arm_names
from edgecl.cli.output import note
from edgecl.config import read_config
from edgecl.streams import TaskSpec
from edgecl.training.run import Run
from scripts.arms_kept import Kept
from scripts.arms_summary import Measured, runs_to_json, summary
from scripts.arms_tables import FLOOR_ARM
from scripts.result_files import command_line, surroundings, write_result
from scripts.stream_runs import (
    exit_code,
    read_settings,
    run_folder,
    setting,
    stream_names,
    stream_tasks,
    trained,
)


def arm_setting(text: str) -> str:
    """Return `ARM:KEY=VALUE,...` as it is; for `argparse`, which tells of the error."""
    if text.partition(":")[0] not in arm_names():
        raise argparse.ArgumentTypeError(f"no arm {text!r}; there are {', '.join(arm_names())}")
    own_settings(text)
    return text


def own_settings(arm: str) -> dict[str, str]:
    """Return the settings of `ARM:KEY=VALUE,KEY=VALUE`."""
    settings = arm.partition(":")[2]
    return read_settings(settings.split(",")) if settings else {}


def train_arm(
    arm: str, seed: int, tasks: list[TaskSpec], options: argparse.Namespace, *, floors: bool
) -> Run:
    """Return the finished run of an arm and a seed."""
    overrides = {
        "seed": seed,
        "backbone.source": options.backbone,
        "evaluation.floors": floors,
        **read_settings(options.settings),
        **own_settings(arm),
    }
    config = read_config(None, overrides=overrides, arm=arm.partition(":")[0])
    return trained(config, tasks, run_folder(options.runs, arm, seed))


def asked(options: argparse.Namespace) -> dict[str, Any]:
    """Return what arms must share to stand in one result file."""
    return {
        "stream": options.stream,
        "reversed": options.reverse,
        "per_class": options.per_class,
        "settings": read_settings(options.settings),
    }


def result(options: argparse.Namespace, arms: Mapping[str, list[Measured]]) -> dict[str, Any]:
    """Return the content of the result file."""
    first = next(iter(arms.values()))[0].run.record
    return {
        "command": command_line(),
        **asked(options),
        "backbone": Path(options.backbone).name,
        "fingerprint": first.fingerprint,
        "image_size": first.config.backbone.image_size,
        "summary": summary(arms, alone=options.alone, left_out=options.leave_out),
        "runs": runs_to_json(arms),
        **surroundings("edgecl", "torch", "transformers", "scikit-learn", "peft"),
    }


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("stream", choices=stream_names())
    add(
        "--arms",
        nargs="+",
        type=arm_setting,
        required=True,
        metavar="ARM[:KEY=VALUE,...]",
        help=", ".join(arm_names()),
    )
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--data", type=Path, required=True)
    add("--backbone", required=True)
    add(
        "--set",
        dest="settings",
        nargs="*",
        type=setting,
        default=[],
        metavar="KEY=VALUE",
        help="Settings of all arms.",
    )
    add(
        "--alone",
        nargs="*",
        type=arm_setting,
        default=[],
        metavar="ARM",
        help="Arms whose tasks learn alone: forward transfer of others is against the one of their recipe.",
    )
    add("--only", nargs="+", metavar="TASK", help="Tasks of the stream; all if absent.")
    add(
        "--leave-out",
        nargs="*",
        default=[],
        metavar="TASK",
        help="Tasks that do not count in means over tasks.",
    )
    add("--per-class", type=int, help="Training items of each class, instead of the stream's.")
    add("--reverse", action="store_true", help="The tasks in reversed order.")
    add("--add", action="store_true", help="Arms that OUT has already stay, and its floors are taken.")
    add("--runs", type=Path, required=True)
    add("--out", type=Path, required=True)
    options = parser.parse_args()
    if "evaluation.floors" in read_settings(options.settings):
        parser.error("evaluation.floors is set by this command: the floors are measured once a seed")
    return options


def main() -> int:
    """Measure, and write the result file after every run, so that a stopped command has written what it has.

    With `--add` it is written at the end, with what other commands have added to it since.
    """
    options = parse_arguments()
    tasks = stream_tasks(
        options.stream,
        options.data,
        only=options.only,
        reverse=options.reverse,
        per_class=options.per_class,
    )
    kept = Kept.read(options.out) if options.add else None
    if kept:
        kept.require_asked(asked(options))
    arms: dict[str, list[Measured]] = {}
    for seed in options.seeds:
        floors: dict[str, float | None] = {**kept.floors(seed)} if kept else {}
        for arm in dict.fromkeys((*(() if kept else (FLOOR_ARM,)), *options.alone, *options.arms)):
            note(f"{arm}, seed {seed}")
            run = train_arm(arm, seed, tasks, options, floors=not floors)
            floors = floors or {task.name: task.best_floor for task in run.tasks}
            arms.setdefault(arm, []).append(Measured(run, floors))
            if not kept:
                write_result(options.out, result(options, arms))
    found = result(options, arms)
    if kept:
        found = Kept.read(options.out).with_added(found)
        write_result(options.out, found)
    print(json.dumps(found["summary"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
