"""Which tasks look alike to the backbone: a map of the distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecl.evaluation.matrix import Matrix
from edgecl.report.arms import Comparison
from edgecl.report.drawing import Drawing, draw
from edgecl.report.grids import NOTHING, label_tasks, room_for, write_cells
from edgecl.report.measured import MeasuredRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def similarity_drawing(comparison: Comparison) -> Drawing | None:
    """Return the distances between the tasks of the first run that knows them all; None for one task, or no such run.

    Arms share their tasks and their backbone, and seeds hardly differ in them: one map is enough.
    """
    known = [run for run in comparison.runs if not np.isnan(run.distances).any()]
    if not known or len(comparison.tasks) < 2:
        return None
    return _draw(known[0], seeds=len({run.seed for run in comparison.runs}))


def _draw(run: MeasuredRun, *, seeds: int) -> Drawing:
    pairs = np.where(np.eye(len(run.names), dtype=np.bool_), np.nan, run.distances)
    low, high = float(np.nanmin(pairs)), float(np.nanmax(pairs))
    items = f"; from the items of seed {run.seed}" if seeds > 1 else ""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(pairs, cmap="viridis", aspect="auto", vmin=low, vmax=high)
        figure.colorbar(image, ax=axes, label="distance: dark is near", fraction=0.05)
        axes.set_facecolor(NOTHING)
        label_tasks(axes, run.names, "task")
        write_cells(axes, pairs, "{:.3g}".format, is_dark=lambda value: value <= (low + high) / 2)

    return draw(
        paint,
        name="similarity",
        title="Which tasks look alike to the backbone",
        caption="Each cell is how far two tasks are apart for the backbone before either is learned (Bures distance "
        "between the means and variances of their features): dark cells are near tasks, which look alike, bright ones "
        f"are far apart, grey ones a task and itself{items}.",
        alt=f"Heat map of the distances between the bare features of {len(run.names)} tasks, the same in both "
        f"directions; nearest are {_pair(run, pairs, low)}, farthest {_pair(run, pairs, high)}.",
        inches=room_for(run.names),
    )


def _pair(run: MeasuredRun, pairs: Matrix, distance: float) -> str:
    """Return the first two tasks at a distance, and the distance."""
    row, column = np.argwhere(pairs == distance)[0]
    return f"{run.names[row]} and {run.names[column]} at {distance:.3g}"
