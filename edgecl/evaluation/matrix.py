"""The matrix of accuracies of a stream, and the numbers of continual learning that are read from it.

A[i, k] is the score of task i after task k was learned, both counted from 0 in the order of training; NaN where k
comes before i, and where it was not measured. T is the last task. A mean with a number missing is NaN: it is never
taken over what happens to be there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edgecl.training.run import Run

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]
Kind = Literal["shipped", "now"]


@dataclass(frozen=True, slots=True)
class StreamMatrix:
    """The matrix of one run.

    Attributes:
        tasks: Names in the order of training.
        accuracy: [T, T], percent; balanced where one class dominates a task.
        unchanged: For each task, whether what was shipped still predicted the same whenever it was tested again; None
            if it never was.
    """

    tasks: tuple[str, ...]
    accuracy: Matrix
    unchanged: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A mean difference.

    Attributes:
        points: Percent points; NaN if there is none.
        error: Standard error over all differences, percent points; NaN for fewer than two.
        count: How many differences there are.
    """

    points: float
    error: float
    count: int


def average_accuracy(accuracy: Matrix, *, counts: Flags | None = None) -> float:
    """Return the mean of A[i, T] over the tasks i: what is left after the last one.

    Args:
        accuracy: [T, T].
        counts: Which tasks the mean is over, [T]; all if absent.
    """
    return _mean(accuracy[_all_or(counts, len(accuracy)), -1])


def running_accuracy(accuracy: Matrix, *, counts: Flags | None = None) -> Matrix:
    """Return for each k the mean of A[i, k] over the tasks i <= k, [T]; NaN before the first task that counts.

    Args:
        accuracy: [T, T].
        counts: Which tasks the means are over, [T]; all if absent.
    """
    chosen = _all_or(counts, len(accuracy))
    return np.array([_mean(accuracy[: k + 1, k][chosen[: k + 1]]) for k in range(len(accuracy))])


def anytime_accuracy(accuracy: Matrix, *, counts: Flags | None = None) -> float:
    """Return the mean over k of the mean of A[i, k] over i <= k: how good it was all along.

    Args:
        accuracy: [T, T].
        counts: Which tasks the means are over, [T]; all if absent.
    """
    chosen = _all_or(counts, len(accuracy))
    return _mean(running_accuracy(accuracy, counts=chosen)[np.cumsum(chosen) > 0])


def forgetting_by_task(accuracy: Matrix) -> Matrix:
    """Return what each task but the last has lost of its best, [T - 1]: negative where it has gained.

    f[i] = max over i <= k < T of A[i, k], less A[i, T] (Chaudhry et al., 2018). The maximum is over what
    was measured; where that is A[i, i] alone, it is the loss since the task was learned.

    Args:
        accuracy: [T, T].
    """
    earlier = accuracy[:-1, :-1]
    best = np.where(np.isnan(earlier), -np.inf, earlier).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan) - accuracy[:-1, -1]


def forgetting(accuracy: Matrix, *, counts: Flags | None = None) -> float:
    """Return the mean of f[i] over all tasks but the last (Chaudhry et al., 2018); NaN for one task.

    Args:
        accuracy: [T, T].
        counts: Which tasks the mean is over, [T]; all if absent.
    """
    return _mean(forgetting_by_task(accuracy)[_all_or(counts, len(accuracy))[:-1]])


def backward_transfer(accuracy: Matrix, *, counts: Flags | None = None) -> float:
    """Return what later tasks did to earlier ones; NaN for one task.

    The mean of A[i, T] - A[i, i] over all tasks but the last (Lopez-Paz and Ranzato, 2017, equation 3).

    Args:
        accuracy: [T, T].
        counts: Which tasks the mean is over, [T]; all if absent.
    """
    change = accuracy[:-1, -1] - np.diagonal(accuracy)[:-1]
    return _mean(change[_all_or(counts, len(accuracy))[:-1]])


def forward_transfer(trained: Matrix, alone: Matrix, *, counts: Flags | None = None) -> Transfer:
    """Return what earlier tasks did for later ones: the mean of A[i, i] - alone[i] over all tasks but the first.

    This is intransigence (Chaudhry et al., 2018) with its sign turned, and with the task learned alone as the
    reference; the forward transfer of Lopez-Paz and Ranzato (2017) asks of tasks that were not learned yet. The
    standard error is over tasks; given several seeds, over all pairs of seed and task.

    Args:
        trained: A[i, i] in the order of training, [T] or [seeds, T].
        alone: The scores of the same tasks learned alone, of the same shape.
        counts: Which of them the mean is over, of the same shape; all if absent.
    """
    rows = np.atleast_2d(trained - alone)[:, 1:]
    chosen = np.ones_like(rows, np.bool_) if counts is None else np.atleast_2d(counts)[:, 1:]
    differences = rows[chosen]
    number = len(differences)
    error = float(differences.std(ddof=1)) / number**0.5 if number > 1 else float("nan")
    return Transfer(_mean(differences), error, number)


def matrix_of(run: Run, kind: Kind) -> StreamMatrix:
    """Return the matrix of a run.

    What was shipped cannot change, so that its rows are constant by construction; `unchanged` says where this was
    tested. What would be shipped now is known when a task is learned, and where it was tested again.

    Args:
        run: With at least one finished task.
        kind: `shipped`: the tensors that were stored for each task; `now`: those that the method would ship later.

    Raises:
        RunError: A file of the run is damaged.
    """
    records = run.tasks
    accuracy = np.full((len(records), len(records)), np.nan)
    unchanged: dict[str, bool] = {}
    for k, after_record in enumerate(records):
        after = run.after(after_record.name)
        for name, is_same in {} if after is None else after.shipped_unchanged.items():
            unchanged[name] = is_same and unchanged.get(name, True)
        for i, record in enumerate(records[: k + 1]):
            if kind == "shipped" or i == k:
                accuracy[i, k] = record.score
            elif after is not None and record.name in after.now:
                accuracy[i, k] = after.now[record.name].to_look_at(dominated=record.is_balanced)
    names = tuple(record.name for record in records)
    return StreamMatrix(names, accuracy, tuple(unchanged.get(name) for name in names))


def drift_of(run: Run) -> Matrix:
    """Return how far what would be shipped for task i after task k is from what was, [T, T]; NaN if not measured.

    The Frobenius norm of the change of all modules, as a part of that of what was shipped.

    Raises:
        RunError: A file of the run is damaged.
    """
    names = run.names
    drift = np.full((len(names), len(names)), np.nan)
    for k, name in enumerate(names):
        after = run.after(name)
        for i, earlier in enumerate(names[: k + 1]):
            if after is not None and earlier in after.drift:
                drift[i, k] = after.drift[earlier]
    return drift


def _all_or(counts: Flags | None, size: int) -> Flags:
    return np.ones(size, np.bool_) if counts is None else counts


def _mean(values: Matrix) -> float:
    return float(values.mean()) if values.size else float("nan")
