"""Numbers of tasks and arms as points: what each task forgot, and what accuracy costs in bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecl.evaluation.matrix import Matrix, forgetting_by_task
from edgecl.report.arms import Comparison
from edgecl.report.curves import WIDTH, deviations
from edgecl.report.drawing import Drawing, draw, legend_height, look, name_above, short
from edgecl.report.measured import MeasuredRun
from edgecl.report.numbers import Spread, deviation_known, mean_known
from edgecl.report.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forgetting_drawing(comparison: Comparison) -> Drawing | None:
    """Return what each task would have lost if it were shipped now; None where that was not measured."""
    rows = _rows(comparison, _forgotten)
    if not rows:
        return None
    return _dots(
        comparison,
        rows,
        label="forgetting, points",
        least=1.0,
        name="forgetting",
        title="Forgetting of each task",
        caption="Each point is what a task has lost of its best score if it were shipped after the last task: right "
        "of the line is forgotten, left of it gained, and shipped packs themselves cannot change"
        f"{deviations(comparison)}.",
    )


def drift_by_task_drawing(comparison: Comparison) -> Drawing | None:
    """Return how far the modules of each task have drifted at the end; None where nothing has."""
    rows = {name: each for name, each in _rows(comparison, _drifted).items() if np.nansum(each) > 0}
    if not rows:
        return None
    return _dots(
        comparison,
        rows,
        label="relative change",
        least=0.0,
        name="drift-of-each-task",
        title="Drift of each task at the end",
        caption="Each point is how far the modules that would be shipped for a task after the last one are from those "
        f"that were shipped, as a part of their size: 0 is no change{deviations(comparison)}.",
    )


def size_drawing(summaries: Sequence[Summary]) -> Drawing | None:
    """Return accuracy against the bytes of a pack, a point for each arm; None for fewer than two."""
    known = [
        (number, each, each.score, each.size_bytes)
        for number, each in enumerate(summaries)
        if isinstance(each.score, Spread) and isinstance(each.size_bytes, Spread)
    ]
    if len(known) < 2:
        return None
    has_bars = any(score.deviation is not None for _, _, score, _ in known)
    bars = "; bars are one standard deviation over seeds" if has_bars else ""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, each, score, size in known:
            style = look(number)
            axes.errorbar(
                size.mean / 1e3,
                score.mean,
                yerr=score.deviation,
                color=style.color,
                fmt=style.marker,
                label=short(each.arm.name),
                linewidth=1,
            )
        axes.set_xlabel("bytes a task, kB")
        axes.set_ylabel("average score, %")
        axes.margins(0.12)
        name_above(figure)

    return draw(
        paint,
        name="accuracy-and-bytes",
        title="Accuracy and bytes",
        caption="Each point is an arm, its average score over the bytes that a new task takes to the device: better "
        f"is higher and further left{bars}.",
        alt="Scatter plot: "
        + "; ".join(
            f"{each.arm.name} {score.mean:.1f} percent at {size.mean / 1e3:.0f} kB"
            for _, each, score, size in known
        )
        + ".",
        inches=(WIDTH, legend_height(len(known)) + 3.0),
    )


def _rows(comparison: Comparison, of_run: Callable[[MeasuredRun], dict[str, float]]) -> dict[str, Matrix]:
    """Return by arm a number of each task, in the order of the comparison, [runs, T]; without arms that have none."""
    rows = {}
    for arm in comparison.arms:
        numbers = [of_run(run) for run in arm.runs if not arm.config.method.jointly]
        table = np.array([[each.get(name, np.nan) for name in comparison.tasks] for each in numbers])
        if not np.isnan(table).all():
            rows[arm.name] = table
    return rows


def _forgotten(run: MeasuredRun) -> dict[str, float]:
    lost = forgetting_by_task(run.now.accuracy)
    return {name: float(each) for name, each in zip(run.names, lost, strict=False)}


def _drifted(run: MeasuredRun) -> dict[str, float]:
    return {name: float(each) for name, each in zip(run.names, run.drift[:-1, -1], strict=False)}


def _dots(
    comparison: Comparison,
    rows: dict[str, Matrix],
    *,
    label: str,
    least: float,
    name: str,
    title: str,
    caption: str,
) -> Drawing:
    """Return a line for each task with a point for each arm."""
    tasks, arms = comparison.tasks, [arm.name for arm in comparison.arms]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color="#777777", linewidth=1)
        for place, (arm, values) in enumerate(rows.items()):
            at = np.arange(len(tasks)) + 0.5 * ((place + 0.5) / len(rows) - 0.5)
            style = look(arms.index(arm))
            axes.plot(mean_known(values), at, style.marker, color=style.color, markersize=4, label=short(arm))
            if len(values) > 1:
                bar = deviation_known(values)
                axes.errorbar(mean_known(values), at, xerr=bar, color=style.color, fmt="none", linewidth=1)
        axes.set_yticks(range(len(tasks)), [short(task) for task in tasks], fontsize=8)
        axes.set_ylim(len(tasks) - 0.5, -0.5)
        axes.set_xlabel(label)
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, -least), max(right, least))
        name_above(figure)

    largest = "; ".join(f"{arm} {np.nanmax(mean_known(values)):+.2f}" for arm, values in rows.items())
    return draw(
        paint,
        name=name,
        title=title,
        caption=caption,
        alt=f"Dot plot of {len(tasks)} tasks, {label}; the largest mean: {largest}.",
        inches=(WIDTH, legend_height(len(rows)) + 0.8 + 0.19 * max(len(tasks), 6)),
    )
