"""Means of the modules of earlier tasks, for a new one to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgecl.training.signature import Features, Signature, read_signature

if TYPE_CHECKING:
    from edgecl.training.run import Run
    from edgecl_runtime.tensors import TaskTensors

SMALLEST_DISTANCE = 1e-12
AVERAGED = 16
"""Tasks that count: at any rate worth using, those before have faded."""


def averaged(run: Run, *, rate: float) -> TaskTensors:
    """Return the running average of the modules of the family: mean <- mean + rate (task - mean).

    After Reptile (Nichol et al. 2018), with one step per task.
    """
    start, *others = (run.tensors(name) for name in family(run)[-AVERAGED:])
    for task in others:
        start = _between(start, task, rate)
    return start


def mixed(run: Run, bare: Features) -> TaskTensors:
    """Return the mean of the modules of the family, weighted by how near each task is: exp(-d / median of all d).

    d is the distance of their signatures.
    """
    names = family(run)[-AVERAGED:]
    mine = Signature.of(bare)
    distances = np.array([mine.distance(read_signature(run, name)) for name in names])
    weights = np.exp(-distances / max(float(np.median(distances)), SMALLEST_DISTANCE))
    mean, total = run.tensors(names[0]), weights[0]
    for name, weight in zip(names[1:], weights[1:], strict=True):
        total += weight
        mean = _between(mean, run.tensors(name), float(weight / total))
    return mean


def family(run: Run) -> tuple[str, ...]:
    """Return the first task, and every one that started from earlier modules, in the order of training.

    Modules of one lineage can be averaged; those that a task learned from the identity would only blur them.
    """
    first, *later = run.tasks
    return (first.name, *(task.name for task in later if task.parent is not None))


def _between(mean: TaskTensors, task: TaskTensors, rate: float) -> TaskTensors:
    moved = {
        name: array + rate * (getattr(task, name) - array)
        for name, array in mean.items()
        if not name.startswith("head_")
    }
    return replace(task, **moved)
