"""Measure accuracy against bytes: ranks and prefix lengths, in float16 and rounded to eight bits.

    python scripts/measure_capacity.py vision --sizes 0,10 4,0 8,0 16,0 16,10 32,0 48,15 --data DATA \
        --backbone VIT_FOLDER --set backbone.image_size=112 --runs RUNS --out docs/results/capacity-vision.json

A size is RANK,PREFIX_LENGTH. Bytes are those of the tensors that a pack of this type stores. The floors and the
ceiling, one module of the default size that learns all tasks at once, are measured with them, once a seed. With
`--add` the sizes, floors and ceiling that the result file has already stay.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from edgecl.cli.output import note
from edgecl.config import read_config
from edgecl.streams import TaskSpec
from edgecl.training.run import Run
from scripts.arms_kept import Kept
from scripts.arms_summary import spread
from scripts.arms_tables import CEILING_ARM
from scripts.result_files import command_line, surroundings, write_result
from scripts.rounding import KINDS, rounded_rows
from scripts.stream_runs import exit_code, read_settings, setting, stream_names, stream_tasks, trained


class Size(NamedTuple):
    """A capacity: the rank of adapters and the number of prefixes."""

    rank: int
    prefix_length: int

    @classmethod
    def read(cls, text: str) -> Size:
        """Return a size as it is written on the command line, such as `16,10`."""
        rank, prefix_length = (int(part) for part in text.split(","))
        return cls(rank, prefix_length)


def measured(run: Run, tasks: list[TaskSpec]) -> dict[str, dict[str, float]]:
    """Return mean score and mean bytes of a run's tasks for each kind of rounding."""
    rows = list(rounded_rows(run, tasks))
    return {
        kind: {key: statistics.fmean(row[kind][key] for row in rows) for key in ("score", "bytes")}
        for kind in KINDS
    }


def run_of(
    options: argparse.Namespace,
    tasks: list[TaskSpec],
    arm: str,
    seed: int,
    *,
    name: str,
    **settings: Any,
) -> Run:
    """Return the finished run of an arm and a seed with settings of its own, in the folder `name-SEED` of RUNS."""
    overrides = {
        "seed": seed,
        "backbone.source": options.backbone,
        "evaluation.matrix": "none",
        "evaluation.floors": False,
        **settings,
        **read_settings(options.settings),
    }
    return trained(read_config(None, overrides=overrides, arm=arm), tasks, options.runs / f"{name}-{seed}")


def run_of_size(
    options: argparse.Namespace, tasks: list[TaskSpec], size: Size, seed: int, *, floors: bool
) -> Run:
    """Return the finished run of one size and seed."""
    note(f"rank {size.rank}, {size.prefix_length} prefixes, seed {seed}")
    settings = {
        "method.rank": size.rank,
        "method.prefix_length": size.prefix_length,
        "evaluation.floors": floors,
    }
    return run_of(options, tasks, "adaprefix", seed, name=f"{size.rank}-{size.prefix_length}", **settings)


def run_of_ceiling(options: argparse.Namespace, tasks: list[TaskSpec], seed: int) -> Run:
    """Return the finished run of one module that learns all tasks at once."""
    note(f"{CEILING_ARM}, seed {seed}")
    return run_of(options, tasks, CEILING_ARM, seed, name="ceiling")


def mean_best_floor(runs: list[Run]) -> float:
    """Return the mean of the best floors of all tasks and seeds."""
    floors = [task.best_floor for run in runs for task in run.tasks if task.best_floor is not None]
    return round(statistics.fmean(floors), 2)


def point(size: Size, runs: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Return the point of a size on the curve: score and bytes over seeds, for each type of pack."""
    return {
        "rank": size.rank,
        "prefix_length": size.prefix_length,
        **{
            kind: {
                "score": spread([each[kind]["score"] for each in runs]),
                "bytes_per_task": round(statistics.fmean(each[kind]["bytes"] for each in runs)),
            }
            for kind in KINDS
        },
    }


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("stream", choices=stream_names())
    add("--sizes", nargs="*", type=Size.read, default=[], metavar="RANK,LENGTH")
    add("--only", nargs="+", help="Tasks of the stream; all if absent.")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--data", type=Path, required=True)
    add("--backbone", required=True)
    add("--set", dest="settings", nargs="*", type=setting, default=[], metavar="KEY=VALUE")
    add("--add", action="store_true", help="What OUT has already stays.")
    add("--runs", type=Path, required=True)
    add("--out", type=Path, required=True)
    options = parser.parse_args()
    if not (options.sizes or options.add):
        parser.error(
            "give --sizes; with --add alone they may be left out, to measure the ceiling that a file lacks"
        )
    return options


def asked(options: argparse.Namespace, tasks: list[TaskSpec]) -> dict[str, Any]:
    """Return what sizes must share to stand in one result file."""
    return {
        "stream": options.stream,
        "tasks": [spec.name for spec in tasks],
        "seeds": options.seeds,
        "settings": options.settings,
    }


def main() -> int:
    """Measure every size over all seeds, then the ceiling, and write the result file after each."""
    options = parse_arguments()
    tasks = stream_tasks(options.stream, options.data, only=options.only)
    kept = Kept.read(options.out) if options.add else None
    if kept:
        kept.require_asked(asked(options, tasks))
    found: dict[str, Any] = dict(kept.result) if kept else {"curve": []}

    def write(runs: list[Run], measurement: dict[str, Any]) -> None:
        fingerprint = runs[0].record.fingerprint
        if kept:
            kept.require_asked({"fingerprint": fingerprint})
        found.update(
            command=kept.command_with(command_line()) if kept else command_line(),
            **asked(options, tasks),
            backbone=Path(options.backbone).name,
            fingerprint=fingerprint,
            **measurement,
            **surroundings("edgecl", "torch", "transformers"),
        )
        write_result(options.out, found)

    for size in options.sizes:
        floors = "mean_best_floor" not in found
        runs = [run_of_size(options, tasks, size, seed, floors=floors) for seed in options.seeds]
        if floors:
            found["mean_best_floor"] = mean_best_floor(runs)
        others = [each for each in found["curve"] if Size(each["rank"], each["prefix_length"]) != size]
        write(runs, {"curve": [*others, point(size, [measured(run, tasks) for run in runs])]})
    if CEILING_ARM not in found:
        runs = [run_of_ceiling(options, tasks, seed) for seed in options.seeds]
        scores = [measured(run, tasks)["float16"]["score"] for run in runs]
        write(runs, {CEILING_ARM: spread(scores)})
    print(json.dumps(found["curve"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
