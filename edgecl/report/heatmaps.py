"""Maps of numbers between tasks: the matrix of accuracies, and what candidates for a parent gained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecl.evaluation.matrix import Kind, Matrix
from edgecl.report.arms import Arm, Comparison
from edgecl.report.drawing import Drawing, draw
from edgecl.report.grids import NOTHING, label_tasks, room_for, write_cells
from edgecl.report.measured import MeasuredRun, is_shipped
from edgecl.report.numbers import mean_known

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_WORDS: dict[Kind, str] = {"shipped": "shipped packs", "now": "what would be shipped now"}


def matrix_drawings(comparison: Comparison) -> list[Drawing]:
    """Return the matrices of every arm: of shipped packs, and of what would be shipped now where that differs."""
    if len(comparison.tasks) < 2:
        return []
    matrices = [
        (arm, kind, f"matrix-{number}-{kind}", matrix)
        for number, arm in enumerate(comparison.arms, start=1)
        if not arm.config.method.jointly
        for kind, matrix in _matrices(arm).items()
    ]
    scores = np.concatenate([matrix[~np.isnan(matrix)] for *_, matrix in matrices] or [np.zeros(1)])
    limits = float(scores.min()), float(scores.max())  # the same for all, so that arms can be compared
    return [_draw_matrix(arm, kind, matrix, name, limits) for arm, kind, name, matrix in matrices]


def gain_drawings(comparison: Comparison) -> list[Drawing]:
    """Return for every arm that tried parents what each candidate gained for each task."""
    drawings = []
    for number, arm in enumerate(comparison.arms, start=1):
        runs = _in_order(arm)
        gains = mean_known(np.stack([_gains(run) for run in runs]))
        if not np.isnan(gains).all():
            drawings.append(_draw_gains(arm, runs, gains, f"parents-{number}"))
    return drawings


def gain_unit(arm: Arm) -> str:
    """Return the unit of what a start from earlier tasks gained: percent points, or those of a score."""
    chooser = arm.config.transfer.chooser
    return f"of {chooser}" if chooser == "h_lwc" else "points"


def _in_order(arm: Arm) -> list[MeasuredRun]:
    """Return the runs whose tasks came in the order of the first one."""
    return [run for run in arm.runs if run.names == arm.runs[0].names]


def _matrices(arm: Arm) -> dict[Kind, Matrix]:
    """Return the matrices of an arm that there is something to see in."""
    shipped, now = _mean_matrix(arm, "shipped"), _mean_matrix(arm, "now")
    found: dict[Kind, Matrix] = {"shipped": shipped} if is_shipped(arm.config) else {}
    is_measured = ~np.isnan(now) & ~np.eye(len(now), dtype=np.bool_)
    if not np.array_equal(now[is_measured], shipped[is_measured]):
        found["now"] = now
    return found


def _mean_matrix(arm: Arm, kind: Kind) -> Matrix:
    matrices = [run.shipped if kind == "shipped" else run.now for run in _in_order(arm)]
    return mean_known(np.stack([each.accuracy for each in matrices]))


def _gains(run: MeasuredRun) -> Matrix:
    """Return points of task (row) by candidate (column), [T, T]; NaN where it was not tried."""
    gains = np.full((len(run.tasks), len(run.tasks)), np.nan)
    for row, task in enumerate(run.tasks):
        for name, gain in task.parent_gains.items():
            if name in run.names:
                gains[row, run.names.index(name)] = gain.points
    return gains


def _draw_matrix(arm: Arm, kind: Kind, matrix: Matrix, name: str, limits: tuple[float, float]) -> Drawing:
    tasks = arm.runs[0].names
    low, high = float(np.nanmin(matrix)), float(np.nanmax(matrix))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(matrix, cmap="viridis", aspect="auto", vmin=limits[0], vmax=limits[1])
        figure.colorbar(image, ax=axes, label="score, %", fraction=0.05)
        label_tasks(axes, tasks, "after task")
        write_cells(axes, matrix, "{:.0f}".format, is_dark=lambda value: value <= sum(limits) / 2)

    return draw(
        paint,
        name=name,
        title=f"{arm.name}: {IN_WORDS[kind]}",
        caption="Each row is a task, each column the moment after a task was learned: "
        f"{_reading(kind)}{_seeds(arm)}.",
        alt=f"Heat map of the scores of {len(tasks)} tasks after each task, {IN_WORDS[kind]} of {arm.name}, "
        f"from {low:.1f} to {high:.1f} percent.",
        inches=room_for(tasks),
    )


def _draw_gains(arm: Arm, runs: Sequence[MeasuredRun], gains: Matrix, name: str) -> Drawing:
    tasks = arm.runs[0].names
    chosen = {
        (row, run.names.index(task.parent))
        for run in runs
        for row, task in enumerate(run.tasks)
        if task.parent in run.names
    }

    def paint(figure: Figure) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        most = max(float(np.nanmax(np.abs(gains))), 1.0)
        image = axes.imshow(gains, cmap="RdBu", aspect="auto", vmin=-most, vmax=most)
        figure.colorbar(image, ax=axes, label=f"gain, {gain_unit(arm)}", fraction=0.05)
        axes.set_facecolor(NOTHING)
        label_tasks(axes, tasks, "candidate")
        for row, column in chosen:
            box = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.8)
            axes.add_patch(box)
        write_cells(axes, gains, "{:+.0f}".format, is_dark=lambda value: abs(value) > 0.6 * most)

    best = float(np.nanmax(gains))
    return draw(
        paint,
        name=name,
        title=f"{arm.name}: what a start from earlier tasks gained",
        caption=f"Each row is a new task, each column {_candidates(arm)}: blue cells gained over a fresh start, red "
        f"ones lost, grey ones were not tried, and a black frame marks what was taken{_seeds(arm)}.",
        alt=f"Heat map of the gains of candidate parents for {len(tasks)} tasks in {arm.name}; the largest is "
        f"{best:+.1f} {gain_unit(arm)}, {len(chosen)} pairs of task and parent were taken.",
        inches=room_for(tasks),
    )


def _candidates(arm: Arm) -> str:
    """Return what a column of gains stands for."""
    if arm.config.transfer.proposal == "tasks":
        return "an earlier one that was tried as its parent"
    return f"the newest of the earlier ones whose {arm.config.transfer.proposal} was tried as its start"


def _reading(kind: Kind) -> str:
    if kind == "shipped":
        return "a shipped pack cannot change, so that every row keeps one colour"
    return "a row that darkens to the right is forgotten, which shipped packs are spared"


def _seeds(arm: Arm) -> str:
    alike = len(_in_order(arm))
    if len(arm.runs) == 1:
        return ""
    others = "" if alike == len(arm.runs) else " with the task order of the first"
    return f"; mean of {alike} seeds{others}"
