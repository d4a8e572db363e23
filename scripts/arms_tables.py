"""Put the tables of arms into a page, from what scripts/measure_arms.py wrote.

    python scripts/arms_tables.py docs/transfer.md

Between `<!-- arms FILE -->` and `<!-- /arms FILE -->` stands the table of all arms of a result file, between
`<!-- tasks FILE -->` and `<!-- /tasks FILE -->` that of its tasks. Files are named as they lie beside the page.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pages import fill_tables

Result = Mapping[str, Any]

FLOOR_ROW = "best floor, task by task"


def arms_table(result: Result) -> str:
    """Return what each arm reached, on the mean of the tasks that can tell arms apart."""
    summary = result["summary"]
    lines = [
        "| arm | accuracy % | over the best floor | after the last task | kB a task | kB shared | s a task |",
        "|---|---|---|---|---|---|---|",
        f"| {FLOOR_ROW} | {summary['mean_best_floor']:.1f} | | | | | |",
    ]
    for arm, found in summary["arms"].items():
        cells = (
            spread(found["score"]),
            spread(found["gain_over_best_floor"], sign="+"),
            spread(found["at_the_end"]) if "at_the_end" in found else "",
            f"{found['bytes_per_task'] / 1e3:.0f}",
            f"{found['shared_bytes'] / 1e3:.0f}",
            f"{found['seconds_per_task']:.0f}",
        )
        lines.append(f"| `{arm}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def tasks_table(result: Result) -> str:
    """Return the mean over seeds that each arm reached on each task; tasks that are not counted are in italics."""
    summary, runs = result["summary"], result["runs"]
    lines = [
        f"| task | best floor | {' | '.join(f'`{arm}`' for arm in runs)} |",
        "|---" * (len(runs) + 2) + "|",
    ]
    for task, floor in summary["best_floor"].items():
        cells = (f"{mean_of_task(run, task):.1f}" for run in runs.values())
        name = task if task in summary["counted"] else f"*{task}*"
        lines.append(f"| {name} | {floor:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def mean_of_task(runs: list[Result], task: str) -> float:
    """Return the mean score of a task over the seeds of an arm."""
    return statistics.fmean(row["score"] for run in runs for row in run["tasks"] if row["task"] == task)


def spread(value: Mapping[str, float], *, sign: str = "") -> str:
    """Return mean and deviation as they are shown."""
    return f"{value['mean']:{sign}.1f} ± {value['sd']:.1f}"


TABLES = {"arms": arms_table, "tasks": tasks_table}


def main() -> int:
    """Fill the places of the pages that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE")
    for page in parser.parse_args().pages:
        fill_tables(page, TABLES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
