"""A task per row in one call: the tensors of several tasks stacked along the axis G of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import GraphInputs
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import TaskTensors, graph_shapes

__all__ = ["PREFIX_OFF", "stack"]

PREFIX_OFF: Final = -1e4
"""What `prefix_bias` adds to the score of a key that is only there to fill up."""

_GROUP_AXIS = {"prefix_bias": 0}


def stack(tasks: Sequence[TaskTensors | None], dimensions: Dimensions) -> GraphInputs:
    """Return float32 graph inputs for B rows with a task each, or None, and G = B.

    Ranks are filled up with zeros, which is neutral; prefixes too, and switched off by `prefix_bias`.
    """
    known = [task for task in tasks if task is not None]
    prefix_length = max((task.prefix_length for task in known), default=0)
    rank = max((task.rank for task in known), default=0)
    sizes = {"prefix_k": prefix_length, "prefix_v": prefix_length, "prefix_bias": prefix_length}
    bank: dict[str, npt.NDArray[np.float32]] = {}
    for name, shape in graph_shapes(dimensions).items():
        group = _GROUP_AXIS.get(name, 1)
        filled = [
            size if size is not None else len(tasks) if axis == group else sizes.get(name, rank)
            for axis, size in enumerate(shape)
        ]
        bank[name] = np.full(filled, PREFIX_OFF if name == "prefix_bias" else 0, np.float32)
    for row, task in enumerate(tasks):
        if task is not None:
            _fill(bank, row, task)
    return bank


def _fill(bank: GraphInputs, row: int, task: TaskTensors) -> None:
    """Copy a task into the first places of a row."""
    for name, array in task.graph_inputs().items():
        group = _GROUP_AXIS.get(name, 1)
        places = [
            slice(row, row + 1) if axis == group else slice(size) for axis, size in enumerate(array.shape)
        ]
        bank[name][tuple(places)] = array
