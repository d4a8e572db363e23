"""Put the tables of arms into a page, from what scripts/measure_arms.py wrote.

    python scripts/arms_tables.py docs/transfer.md

Between `<!-- arms FILE -->` and `<!-- /arms FILE -->` stands the table of all arms of a result file, between
`<!-- tasks FILE -->` and `<!-- /tasks FILE -->` that of its tasks; `transfer` is the table of forward transfer and
`curve` that of its gain by the number of tasks known before, `gate` what the gate saw of it before training.
`recipes` compares settings with the first arm of the file, on the items that recipes are chosen on; `along` shows
what a task costs along a stream.
`capacity` is that of accuracy against bytes, from what scripts/measure_capacity.py wrote, `prefixes` that of what
prefixes carry, from scripts/measure_prefixes.py, `empty-prefixes` from scripts/measure_empty_prefixes.py, `ceiling`
from scripts/measure_ceiling.py, `rounding` what int8 costs, from scripts/measure_rounding.py.
Files are named as they lie beside the page.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.pages import fill_named_pages

Result = Mapping[str, Any]

FLOOR_ARM = "linear-head"
FLOOR_ROW = "best floor, task by task"
CEILING_ARM, CEILING_NOTE = "joint", ", joint training"


def arms_table(result: Result) -> str:
    """Return what each arm reached, on the mean of the tasks that can tell arms apart."""
    summary = result["summary"]
    columns = {name: cell for name, cell in COLUMNS.items() if any(map(cell, summary["arms"].values()))}
    lines = [
        f"| arm | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
        f"| {FLOOR_ROW} | {summary['mean_best_floor']:.1f} |{' |' * (len(columns) - 1)}",
    ]
    for arm, found in summary["arms"].items():
        name = f"`{arm}`{CEILING_NOTE if arm == CEILING_ARM else ''}"
        lines.append(f"| {name} | {' | '.join(cell(found) for cell in columns.values())} |")
    return "\n".join(lines)


def transfer_table(result: Result) -> str:
    """Return the forward transfer of each arm that has one."""
    lines = ["| arm | forward transfer | over seeds | against |", "|---|---|---|---|"]
    for arm, transfer in transfers(result).items():
        points = f"{transfer['points']:+.2f}{error(transfer['standard_error'])}"
        over_seeds = error(transfer["standard_error_over_seeds"]).strip()
        lines.append(f"| `{arm}` | {points} | {over_seeds} | `{transfer['against']}` |")
    return "\n".join(lines)


def curve_table(result: Result) -> str:
    """Return what each arm gained over tasks that learned alone, by the number of tasks that it knew before.

    Places of tasks that do not count are blank.
    """
    arms = {arm: transfer["by_tasks_known"] for arm, transfer in transfers(result).items()}
    number = range(1, max(map(len, arms.values()), default=1))
    lines = [f"| tasks known |{''.join(f' {n} |' for n in number)}", "|---" * (len(number) + 1) + "|"]
    for arm, gains in arms.items():
        lines.append(f"| `{arm}` |{''.join(f' {gain(gains[n])} |' for n in number)}")
    return "\n".join(lines)


def transfers(result: Result) -> dict[str, Result]:
    """Return the forward transfer of the arms that have one."""
    arms = result["summary"]["arms"]
    return {arm: found["forward_transfer"] for arm, found in arms.items() if "forward_transfer" in found}


def gate_table(result: Result) -> str:
    """Return what each gate saw before training in tasks that it let start from earlier ones, and what came of it.

    Of tasks that count, over the same task and seed learned alone. The first one has nothing to start from.
    """
    lines = [
        "| arm | tasks | started from earlier ones | gain before training | gain after training | largest loss |",
        "|---|---|---|---|---|---|",
    ]
    for arm, transfer in transfers(result).items():
        if result["summary"]["arms"][arm]["start"] == "gated":
            rows = _counted(result, arm, after=1)
            alone = _counted(result, transfer["against"], after=1)
            lines.append(f"| `{arm}` | {len(rows)} | {_started(rows, alone)} |")
    return "\n".join(lines)


def _started(rows: Mapping[tuple[int, str], Result], alone: Mapping[tuple[int, str], Result]) -> str:
    """Return how many tasks started from earlier ones, and mean gains in points before and after training."""
    started = {place: row for place, row in rows.items() if row["parent"] is not None}
    if not started:
        return "0 | | | "
    # Too few items have no gain of their own: the tasks before decided alone.
    seen = [
        row["parent_gains"][row["parent"]]["points"]
        for row in started.values()
        if row["parent"] in row["parent_gains"]
    ]
    gains = [row["score"] - alone[place]["score"] for place, row in started.items()]
    before = gain(statistics.fmean(seen)) if seen else ""
    return f"{len(started)} | {before} | {gain(statistics.fmean(gains))} | {max(0.0, -min(gains)):.1f}"


def _counted(result: Result, arm: str, *, after: int = 0) -> dict[tuple[int, str], Result]:
    """Return the rows of an arm by seed and task: of tasks that count, but for so many at the start of the stream."""
    counted = result["summary"]["counted"]
    return {
        (run["seed"], row["task"]): row
        for run in result["runs"][arm]
        for row in run["tasks"][after:]
        if row["task"] in counted
    }


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


def capacity_table(result: Result) -> str:
    """Return accuracy and bytes of each size of a task's modules, in both types of packs."""
    lines = [
        "| rank | prefixes | kB, float16 | accuracy % | kB, int8 | accuracy % |",
        "|---" * 6 + "|",
        f"| {FLOOR_ROW} | | | {result['mean_best_floor']:.1f} | | |",
    ]
    for size in sorted(result["curve"], key=lambda each: each["float16"]["bytes_per_task"]):
        cells = (
            f"{size[kind]['bytes_per_task'] / 1e3:.0f} | {spread(size[kind]['score'])}"
            for kind in ("float16", "int8")
        )
        lines.append(f"| {size['rank']} | {size['prefix_length']} | {' | '.join(cells)} |")
    if CEILING_ARM in result:  # measured last
        lines.append(f"| `{CEILING_ARM}`{CEILING_NOTE} | | | {spread(result[CEILING_ARM])} | | |")
    return "\n".join(lines)


def rounding_table(result: Result) -> str:
    """Return what int8 costs on each stream, beside the bytes of a task in both types of packs."""
    heads = (
        *("stream", "tasks", "seeds", "kB, float16", "accuracy %", "kB, int8", "accuracy %"),
        *("float16 over int8", "largest change of a task", "labels that differ"),
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for stream, found in result.items():
        of = found["summary"]
        cells = (
            f"{of[kind]['bytes_per_task'] / 1e3:.0f} | {spread(of[kind]['score'])}"
            for kind in ("float16", "int8")
        )
        cost = of["cost"]
        points = f"{cost['points']:+.2f}{error(cost['standard_error'])}"
        differ = f"{of['labels_differ']} of {of['items']}"
        lines.append(
            f"| `{stream}` | {of['tasks']} | {of['seeds']} | {' | '.join(cells)} | {points} | {cost['largest']:.1f} | "
            f"{differ} |"
        )
    return "\n".join(lines)


def recipes_table(result: Result) -> str:
    """Return what settings of an arm reach, beside the first arm of the file.

    On the items that recipes are chosen on: validation items where some were held back, and else test items. Of
    validation items what the best epoch reached, and the last one, which is what ships where none are held back.
    """
    arms = {name: found for name, found in result["summary"]["arms"].items() if name != FLOOR_ARM}
    held_back = all("validation" in found for found in result["summary"]["arms"].values())
    key = "validation" if held_back else "score"
    items = "validation" if held_back else "test"
    columns = {key: f"accuracy on {items} items %"}
    if all("validation_last" in found for found in arms.values()):
        columns = {"validation": "best epoch on validation items %", "validation_last": "last epoch %"}
    heads = [f"{head} | over the first row" for head in columns.values()]
    by_size = len({found["bytes_per_task"] for found in arms.values()}) > 1
    sizes = ["kB a task"] if by_size else []
    lines = [
        f"| {' | '.join(['settings', *sizes, *heads])} |",
        "|---" * (1 + len(sizes) + 2 * len(columns)) + "|",
    ]
    first, *_ = arms
    for name, found in arms.items():
        cells = [
            f"{spread(found[each])} | {'' if name == first else _over(result, name, first, each)}"
            for each in columns
        ]
        if by_size:
            cells.insert(0, COLUMNS["kB a task"](found))
        lines.append(f"| {_described(name, first)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _settings(name: str) -> list[str]:
    """Return the settings of `ARM:KEY=VALUE,...`."""
    return [each for each in name.partition(":")[2].split(",") if each]


def _described(name: str, first: str) -> str:
    """Return what a row of a table is: its settings, beside those of the first row where the arm is the same."""
    arm = name.partition(":")[0]
    known = _settings(first) if name != first and arm == first.partition(":")[0] else None
    shown = ", ".join(f"`{each}`" for each in _settings(name) if each not in (known or ()))
    if known is not None:
        return shown
    return f"`{arm}` with {shown}" if shown else f"`{arm}` as it ships"


def _over(result: Result, name: str, first: str, key: str) -> str:
    """Return the mean gain of an arm over the first one, with its error over pairs of task and seed."""
    before = _counted(result, first)
    gains = [row[key] - before[place][key] for place, row in _counted(result, name).items()]
    of_mean = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None
    return f"{gain(statistics.fmean(gains))}{error(of_mean, digits=1)}"


def along_table(result: Result) -> str:
    """Return what a task costs and gains, and how far what is generated has moved, by tens of tasks.

    The first task has nothing to gain from.
    """
    lines = [
        "| arm | tasks | s a task | peak MB | change of accuracy since it was learned | drift | over the task alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, runs in result["runs"].items():
        gained = transfers(result).get(arm, {}).get("by_tasks_known", [])
        for start in range(0, len(runs[0]["tasks"]), 10):
            rows = [row for run in runs for row in run["tasks"][start : start + 10]]
            if arm not in {FLOOR_ARM, CEILING_ARM} and all("drift" in row for row in rows):
                gains = [each for each in gained[max(1, start) : start + 10] if each is not None]
                place = f"{start + 1} to {start + len(rows) // len(runs)}"
                over_alone = gain(statistics.fmean(gains)) if gains else ""
                lines.append(f"| `{arm}` | {place} | {_stretch(rows)} | {over_alone} |")
    return "\n".join(lines)


def _stretch(rows: Sequence[Result]) -> str:
    """Return median seconds, peak memory, mean change of accuracy and largest drift of some tasks."""
    change = statistics.fmean(row["at_the_end"] - row["score"] for row in rows)
    cells = (
        f"{statistics.median(row['seconds'] for row in rows):.1f}",
        f"{max(row['peak_bytes'] for row in rows) / 1e6:.0f}",
        f"{change:+.2f}",
        f"{max(row['drift'] for row in rows):.4f}",
    )
    return " | ".join(cells)


def prefixes_table(result: Result) -> str:
    """Return what is left of each arm when other prefixes are put in the place of a task's own."""
    lines = [
        "| arm | own prefixes % | of the task before % | zeros % | largest change of a task by zeros |",
        "|---|---|---|---|---|",
    ]
    for arm, found in result["summary"].items():
        cells = (spread(found[kind]) for kind in ("own", "of_the_task_before", "zeros"))
        lines.append(f"| `{arm}` | {' | '.join(cells)} | {found['largest_difference']:.1f} |")
    return "\n".join(lines)


def ceiling_table(result: Result) -> str:
    """Return what each task reaches alone, and after one module was trained on the others at once."""
    lines = ["| task | alone % | after the others % | |", "|---|---|---|---|"]
    for task, found in result["tasks"].items():
        alone, after = found["alone"], found["after_the_others"]
        lines.append(f"| {task} | {alone:.1f} | {after:.1f} | {gain(after - alone)} |")
    alone, after = (
        statistics.fmean(found[key] for found in result["tasks"].values())
        for key in ("alone", "after_the_others")
    )
    points = f"{gain(result['points'])}{error(result['standard_error'], digits=1)}"
    return "\n".join([*lines, f"| mean | {alone:.1f} | {after:.1f} | {points} |"])


def empty_prefixes_table(result: Result) -> str:
    """Return the best floor of each task by the number of empty places in every attention.

    Tasks that cannot tell methods apart are in italics, and not in the mean.
    """
    floors = result["best_floor"]
    lengths = list(next(iter(floors.values())))
    lines = [f"| task | {' | '.join(lengths)} |", "|---" * (len(lengths) + 1) + "|"]
    for task, by_length in floors.items():
        name = task if task in result["counted"] else f"*{task}*"
        lines.append(f"| {name} | {' | '.join(spread(by_length[length]) for length in lengths)} |")
    means = (
        statistics.fmean(floors[task][length]["mean"] for task in result["counted"]) for length in lengths
    )
    return "\n".join([*lines, f"| mean | {' | '.join(f'{mean:.1f}' for mean in means)} |"])


def mean_of_task(runs: list[Result], task: str) -> float:
    """Return the mean score of a task over the seeds of an arm."""
    return statistics.fmean(row["score"] for run in runs for row in run["tasks"] if row["task"] == task)


def spread(value: Mapping[str, float | None], *, sign: str = "") -> str:
    """Return mean and deviation as they are shown; the mean alone where there is no deviation."""
    return f"{value['mean']:{sign}.1f}{error(value['sd'], digits=1)}"


def error(value: float | None, *, digits: int = 2) -> str:
    """Return ` ± value`; nothing if there is none."""
    return "" if value is None else f" ± {value:.{digits}f}"


def gain(points: float | None) -> str:
    """Return points with their sign; nothing if there are none."""
    return "" if points is None else f"{points:+.1f}"


def _megabytes(found: Result, key: str) -> str:
    return f"{found[key] / 1e6:.0f}" if found.get(key) else ""


COLUMNS: dict[str, Callable[[Result], str]] = {
    "accuracy %": lambda found: spread(found["score"]),
    "over the best floor": lambda found: spread(found["gain_over_best_floor"], sign="+"),
    "after the last task": lambda found: spread(found["at_the_end"]) if "at_the_end" in found else "",
    "largest change": lambda found: f"{found['largest_change']:.1f}" if "largest_change" in found else "",
    "class-incremental": lambda found: (
        spread(found["class_incremental"]) if "class_incremental" in found else ""
    ),
    "domain-incremental": lambda found: (
        spread(found["domain_incremental"]) if "domain_incremental" in found else ""
    ),
    "kB a task": lambda found: f"{found['bytes_per_task'] / 1e3:.0f}",
    "kB shared": lambda found: f"{found['shared_bytes'] / 1e3:.0f}",
    "peak MB": lambda found: _megabytes(found, "peak_bytes"),
    "s a task": lambda found: f"{found['seconds_per_task']:.0f}",
}

TABLES = {
    "arms": arms_table,
    "tasks": tasks_table,
    "transfer": transfer_table,
    "curve": curve_table,
    "gate": gate_table,
    "recipes": recipes_table,
    "along": along_table,
    "ceiling": ceiling_table,
    "capacity": capacity_table,
    "rounding": rounding_table,
    "prefixes": prefixes_table,
    "empty-prefixes": empty_prefixes_table,
}


if __name__ == "__main__":
    sys.exit(fill_named_pages(__doc__, TABLES))
