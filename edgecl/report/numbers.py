"""A number over seeds, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecl.evaluation.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean over seeds.

    Attributes:
        mean: Over the runs that have the number.
        deviation: Standard deviation over them, n - 1 in the denominator; None for a single one.
        runs: How many have it.
    """

    mean: float
    deviation: float | None
    runs: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A number that is not there.

    Attributes:
        reason: Why, part of a sentence.
    """

    reason: str


Number = Spread | Missing


def spread(values: Sequence[float | None], *, otherwise: str) -> Number:
    """Return the mean and deviation of what is there; `otherwise` says why nothing is."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Missing(otherwise)
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(float(np.mean(known)), deviation, len(known))


def mean_known(values: Matrix) -> Matrix:
    """Return the mean over the first axis of what is there, NaN where nothing is.

    Args:
        values: [runs, ...].
    """
    is_known = ~np.isnan(values)
    number = is_known.sum(axis=0)
    total = np.where(is_known, values, 0.0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def deviation_known(values: Matrix) -> Matrix:
    """Return the standard deviation over the first axis of what is there; 0 where that is fewer than two.

    Args:
        values: [runs, ...].
    """
    number = (~np.isnan(values)).sum(axis=0)
    squares = np.nansum(np.square(values - mean_known(values)), axis=0)
    return np.asarray(np.sqrt(squares / np.maximum(number - 1, 1)), np.float64)
