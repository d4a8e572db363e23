"""Means of the modules of earlier tasks, for a new one to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecl.training.signature import Features, Signature, read_signature

if TYPE_CHECKING:
    from edgecl.training.run import Run
    from edgecl_runtime.tensors import TaskTensors

SMALLEST_DISTANCE = 1e-12
AVERAGED = 16
"""Tasks that count: at the default rate those before have faded (to 3 in 100,000)."""


def averaged(run: Run, *, rate: float) -> TaskTensors:
    """Return the running average of the modules of the family: mean <- mean + rate (task - mean).

    After Reptile (Nichol et al. 2018), with one step per task.
    """
    start, *others = (run.tensors(name) for name in family(run)[-AVERAGED:])
    for task in others:
        start = _between(start, task, rate)
    return start


def mixed(run: Run, bare: Features) -> TaskTensors:
    """Return the mean of the modules of the family, weighted by how near the signature of each task is."""
    names = family(run)[-AVERAGED:]
    mine = Signature.of(bare)
    weights = shares(np.array([mine.distance(read_signature(run, name)) for name in names]))
    tasks = [run.tensors(name) for name in names]
    means = {
        name: np.average(np.stack([getattr(task, name) for task in tasks]), axis=0, weights=weights)
        for name in _module_names(tasks[0])
    }
    return replace(tasks[-1], **{name: mean.astype(np.float32) for name, mean in means.items()})


def shares(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each task counts [T], 1 in all: in proportion to exp(-d / median of all d).

    Args:
        distances: d of each task [T], finite and not negative.
    """
    weights = np.exp(-distances / max(float(np.median(distances)), SMALLEST_DISTANCE))
    proportions: NDArray[np.float64] = weights / weights.sum()
    return proportions


def family(run: Run) -> tuple[str, ...]:
    """Return the first task, and every one that started from earlier modules, in the order of training.

    Modules of one lineage can be averaged; those that a task learned from the identity would only blur them.
    """
    first, *later = run.tasks
    return (first.name, *(task.name for task in later if task.parent is not None))


def _between(mean: TaskTensors, task: TaskTensors, rate: float) -> TaskTensors:
    moved = {}
    for name in _module_names(task):
        before = getattr(mean, name)
        moved[name] = before + rate * (getattr(task, name) - before)
    return replace(task, **moved)


def _module_names(task: TaskTensors) -> tuple[str, ...]:
    return tuple(name for name, _ in task.items() if not name.startswith("head_"))
