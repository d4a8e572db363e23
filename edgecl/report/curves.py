"""What happens along a stream: accuracy, drift, time and memory over the position of a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from edgecl.evaluation.matrix import Flags, Matrix, running_accuracy
from edgecl.report.arms import Arm, Comparison
from edgecl.report.drawing import Drawing, draw, legend_height, look, mark_positions, name_above, short
from edgecl.report.measured import MeasuredRun, is_shipped
from edgecl.report.numbers import deviation_known, mean_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.6


def accuracy_drawing(comparison: Comparison) -> Drawing | None:
    """Return the average score of the tasks so far over the stream; None for a single task."""
    arms = [arm for arm in comparison.arms if not arm.config.method.jointly]
    if not arms or len(comparison.tasks) - len(comparison.left_out) < 2:
        return None
    shipped = [_running(arm, comparison, lambda run: run.shipped.accuracy) for arm in arms]
    now = [_running(arm, comparison, lambda run: run.now.accuracy) for arm in arms]
    floors = _running_floor(comparison)
    peers = "" if all(is_shipped(arm.config) for arm in arms) else ", or with what a peer had learned"

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for arm, solid, dashed in zip(arms, shipped, now, strict=True):
            _curve(axes, comparison, arm, solid, label=short(arm.name))
            if _has_more(dashed, solid):
                _curve(axes, comparison, arm, dashed, label=f"{short(arm.name)}, now", linestyle="--")
        if not np.isnan(floors).all():
            axes.plot(floors, color="#777777", linestyle=":", label="best floor")
        _finish(axes, comparison, "average score so far, %")
        name_above(figure)

    return draw(
        paint,
        name="accuracy-over-tasks",
        title="Accuracy along the stream",
        caption=f"Each point is the average score of all tasks learned so far: solid with shipped packs{peers}, "
        "dashed with what would be shipped at that moment, dotted for the best classifier on frozen features"
        f"{deviations(comparison)}.",
        alt="Line chart of the average score over the number of tasks learned; after the last task "
        + "; ".join(
            f"{arm.name} {mean_known(rows)[-1]:.1f} percent" for arm, rows in zip(arms, shipped, strict=True)
        )
        + ".",
        inches=(WIDTH, legend_height(2 * len(arms) + 1) + 3.2),
    )


def drift_drawing(comparison: Comparison) -> Drawing | None:
    """Return how far regenerated modules are from shipped ones over the stream; None unless that was followed."""
    rows = {arm.name: np.stack([_mean_drift(run) for run in arm.runs]) for arm in comparison.arms}
    arms = [arm for arm in comparison.arms if _is_followed(rows[arm.name])]
    if not arms:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for arm in arms:
            _curve(axes, comparison, arm, rows[arm.name], label=short(arm.name))
        _finish(axes, comparison, "relative change")
        axes.set_ylim(bottom=0)
        name_above(figure)

    return draw(
        paint,
        name="drift",
        title="Drift of regenerated modules",
        caption="Each point is how far the modules that would be shipped now for the earlier tasks are from those "
        f"that were shipped, as a part of their size: 0 is no change{deviations(comparison)}.",
        alt="Line chart of the mean relative change of modules over the number of tasks learned; at the end "
        + "; ".join(f"{arm.name} {_last(rows[arm.name]):.3f}" for arm in arms)
        + ".",
        inches=(WIDTH, legend_height(len(arms)) + 3.0),
    )


def cost_drawing(comparison: Comparison) -> Drawing:
    """Return seconds and peak memory of training over the position of the task."""
    seconds = [_stack(arm, lambda run: [task.seconds for task in run.tasks]) for arm in comparison.arms]
    memory = [_stack(arm, _gigabytes) for arm in comparison.arms]
    panels = [("seconds a task", seconds)]
    if any(not np.isnan(rows).all() for rows in memory):
        panels.append(("peak memory, GB", memory))

    def paint(figure: Figure) -> None:
        for axes, (label, values) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            for arm, rows in zip(comparison.arms, values, strict=True):
                _curve(axes, comparison, arm, rows, label=short(arm.name))
            _finish(axes, comparison, label, most=12)
            axes.set_ylim(0, 1.1 * float(np.nanmax(np.concatenate([rows.ravel() for rows in values]))))
        name_above(figure)

    means = [f"{arm.name} {np.nanmean(rows):.1f}" for arm, rows in zip(comparison.arms, seconds, strict=True)]
    return draw(
        paint,
        name="cost",
        title="Cost of learning a task",
        caption="Each point is one task at its place in the stream: a line that stays level means that a task costs "
        f"the same however many came before{deviations(comparison)}.",
        alt=f"Line charts over the position in the stream; mean seconds a task: {'; '.join(means)}.",
        inches=(WIDTH, legend_height(len(comparison.arms)) + 2.8),
    )


def deviations(comparison: Comparison) -> str:
    """Return what bands and bars are, the end of a sentence; nothing where there are none."""
    has_any = any(len(arm.runs) > 1 for arm in comparison.arms)
    return "; bands and bars are one standard deviation over seeds" if has_any else ""


def _running(arm: Arm, comparison: Comparison, matrix: Callable[[MeasuredRun], Matrix]) -> Matrix:
    """Return the average of the tasks so far, [runs, T]."""
    return np.stack(
        [running_accuracy(matrix(run), counts=run.flags(comparison.left_out)) for run in arm.runs]
    )


def _running_floor(comparison: Comparison) -> Matrix:
    """Return the average of the best floors so far over all runs, [T]; NaN where the orders of arms differ."""
    orders = {frozenset(run.names for run in arm.runs) for arm in comparison.arms}
    if len(orders) > 1:
        return np.full(len(comparison.tasks), np.nan)
    rows = []
    for run in comparison.runs:
        counts: Flags = run.flags(comparison.left_out)
        floors = [np.nan if task.best_floor is None else task.best_floor for task in run.tasks]
        rows.append(running_accuracy(np.tile(np.array(floors)[:, None], len(floors)), counts=counts))
    return mean_known(np.stack(rows))


def _has_more(now: Matrix, shipped: Matrix) -> bool:
    """Say whether there is more to show of now than that it is what was shipped."""
    is_known = ~np.isnan(now)
    return is_known.sum() > len(now) and not np.array_equal(now[is_known], shipped[is_known])


def _is_followed(rows: Matrix) -> bool:
    """Say whether something drifts, and was measured after more than one task."""
    return float(np.nansum(rows)) > 0 and int((~np.isnan(mean_known(rows))).sum()) > 1


def _mean_drift(run: MeasuredRun) -> Matrix:
    """Return the mean over the earlier tasks i < k after each task k, [T]."""
    earlier = np.where(np.triu(np.ones_like(run.drift, np.bool_), 1), run.drift, np.nan)
    return mean_known(earlier)


def _gigabytes(run: MeasuredRun) -> list[float]:
    return [np.nan if task.peak_bytes is None else task.peak_bytes / 1e9 for task in run.tasks]


def _stack(arm: Arm, numbers: Callable[[MeasuredRun], list[float]]) -> Matrix:
    return np.array([numbers(run) for run in arm.runs], np.float64)


def _last(rows: Matrix) -> float:
    known = mean_known(rows)
    return float(known[~np.isnan(known)][-1])


def _curve(
    axes: Axes, comparison: Comparison, arm: Arm, rows: Matrix, *, label: str, linestyle: str = "-"
) -> None:
    """Draw the mean of [runs, T] with its band; no line leads over positions that are not known."""
    style = look(comparison.arms.index(arm))
    mean, deviation = mean_known(rows), deviation_known(rows)
    at, color = np.arange(len(mean)), style.color
    has_gaps = bool(np.isnan(mean).any())
    axes.plot(
        at,
        mean,
        linestyle,
        color=color,
        marker=style.marker,
        label=label,
        markersize=3.5,
        markevery=1 if has_gaps else max(1, len(mean) // 12),
        linewidth=1.4,
    )
    if len(rows) > 1:
        axes.fill_between(at, mean - deviation, mean + deviation, color=color, alpha=0.15, linewidth=0)


def _finish(axes: Axes, comparison: Comparison, label: str, *, most: int = 25) -> None:
    mark_positions(axes, len(comparison.tasks), most=most)
    axes.set_xlabel("task, by position")
    axes.set_ylabel(label)
