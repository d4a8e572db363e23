"""Maps with a row and a column for each task: their names, their numbers, and the room they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgecl.evaluation.matrix import Matrix
from edgecl.report.drawing import mark_positions, numbered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WRITTEN = 12
"""Tasks up to which the numbers stand in the cells."""
NOTHING = "#dddddd"
"""Colour of cells that there is no number for."""


def label_tasks(axes: Axes, tasks: Sequence[str], below: str) -> None:
    """Name the rows, number the columns, and say below what a column is."""
    axes.grid(visible=False)
    axes.set_yticks(range(len(tasks)), numbered(tasks), fontsize=8)
    mark_positions(axes, len(tasks))
    axes.set_xlabel(below)
    axes.tick_params(length=0)


def write_cells(
    axes: Axes, values: Matrix, write: Callable[[float], str], *, is_dark: Callable[[float], bool]
) -> None:
    """Write the numbers [T, T] into their cells, unless there are too many to read.

    Args:
        axes: Of the map.
        values: NaN where nothing is written.
        write: Turns a number into text.
        is_dark: Whether the cell of a number has a dark ground.
    """
    if len(values) > MOST_WRITTEN:
        return
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            color = "white" if is_dark(value) else "black"
            axes.text(column, row, write(value), ha="center", va="center", fontsize=8, color=color)


def room_for(tasks: Sequence[str]) -> tuple[float, float]:
    """Return the width and height in inches that give every task room."""
    cell = 0.42 if len(tasks) <= MOST_WRITTEN else 0.17
    names = 0.075 * max(len(each) for each in numbered(tasks))
    return max(3.6, names + 1.0 + cell * len(tasks)), 0.75 + max(cell, 0.17) * max(len(tasks), 6)
