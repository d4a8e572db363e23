"""Measure what packs in int8 cost beside float16, on the test items of finished runs.

    python scripts/measure_rounding.py vision --arm gated --seeds 0 1 2 --data DATA --runs RUNS --out FILE

RUNS are those of scripts/measure_arms.py, which trains; `--per-class` and `--reverse` are as there. What FILE holds of
other streams stays. `scripts/arms_tables.py` makes the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from edgecl.cli.output import note
from edgecl.errors import RunError
from edgecl.streams import TaskSpec
from edgecl.training.run import Run
from scripts.arms_summary import known, spread
from scripts.result_files import command_line, surroundings, write_result
from scripts.rounding import KINDS, rounded_rows
from scripts.stream_runs import exit_code, require_tasks, run_folder, stream_names, stream_tasks

Row = dict[str, Any]


def of_run(run: Run, specs: Sequence[TaskSpec]) -> list[Row]:
    """Return the rows of a finished run.

    Raises:
        RunError: The run is of other tasks or items, or not finished.
    """
    require_tasks(run, specs)
    if len(run.names) < len(specs):
        raise RunError.at(
            run.folder,
            found=f"{len(run.names)} finished tasks",
            expected=f"{len(specs)}",
            fix="Let scripts/measure_arms.py finish it.",
        )
    rows = []
    for row in rounded_rows(run, specs):
        scores = ", ".join(f"{kind} {row[kind]['score']:.1f}" for kind in KINDS)
        note(f"{run.folder.name}, {row['task']}: {scores}, {row['labels_differ']} labels differ")
        rows.append(row)
    return rows


def summary(runs: Sequence[Mapping[str, Any]]) -> Row:
    """Return mean score over seeds and bytes of a task in each type, and what int8 costs.

    The cost is the mean over tasks and seeds of the score in float16 less that in int8, percent points, with its
    standard error over those pairs, and the largest change of one, up or down.
    """
    rows = [row for run in runs for row in run["tasks"]]
    costs = [row["float16"]["score"] - row["int8"]["score"] for row in rows]
    return {
        **{
            kind: {
                "score": spread([fmean(row[kind]["score"] for row in run["tasks"]) for run in runs]),
                "bytes_per_task": round(fmean(row[kind]["bytes"] for row in rows)),
            }
            for kind in KINDS
        },
        "cost": {
            "points": round(fmean(costs), 3),
            "standard_error": known(stdev(costs) / len(costs) ** 0.5 if len(costs) > 1 else nan, digits=3),
            "largest": round(max(map(abs, costs)), 2),
        },
        "labels_differ": sum(row["labels_differ"] for row in rows),
        "items": sum(row["items"] for row in rows),
        "tasks": len(runs[0]["tasks"]),
        "seeds": len(runs),
    }


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("stream", choices=stream_names())
    add("--arm", required=True, metavar="ARM[:KEY=VALUE,...]")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--per-class", type=int, help="Training items of each class, instead of the stream's.")
    add("--reverse", action="store_true", help="The tasks in reversed order.")
    add("--data", type=Path, required=True)
    add("--runs", type=Path, required=True)
    add("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> int:
    """Measure every run of a stream, and put what it says into the result file."""
    options = parse_arguments()
    specs = stream_tasks(options.stream, options.data, per_class=options.per_class, reverse=options.reverse)
    opened = [Run.open(run_folder(options.runs, options.arm, seed)) for seed in options.seeds]
    runs = [{"seed": run.record.config.seed, "tasks": of_run(run, specs)} for run in opened]
    record = opened[0].record
    found = {
        "command": command_line(),
        "arm": options.arm,
        "fingerprint": record.fingerprint,
        "image_size": record.config.backbone.image_size,
        "summary": summary(runs),
        "runs": runs,
        **surroundings("edgecl", "torch", "transformers"),
    }
    others = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    write_result(options.out, {**others, options.stream: found})
    print(json.dumps(found["summary"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
