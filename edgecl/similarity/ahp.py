"""Priorities from comparisons in pairs: the analytic hierarchy process (Saaty, 1980)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49, 1.51, 1.48, 1.56, 1.57, 1.59)
"""Mean consistency index of random matrices of 1, 2, ... 15 things (Saaty, 1980); larger ones take the last."""

_MOST_STEPS = 1000
_TOLERANCE = 1e-12
_LEAST_SHARE = 1e-6
_WINS = (0.01, 0.99)


@dataclass(frozen=True, slots=True, eq=False)
class Priorities:
    """What comparisons in pairs say about each thing alone.

    Attributes:
        weights: Principal eigenvector, positive, sums to 1, [J].
        lambda_max: Its eigenvalue; J if all comparisons agree, more otherwise.
        consistency_index: (lambda_max - J)/(J - 1); 0 for one thing.
        consistency_ratio: That index over the one of random comparisons; 0 for one or two things.
    """

    weights: NDArray[np.float64]
    lambda_max: float
    consistency_index: float
    consistency_ratio: float


def principal_eigenvector(matrix: NDArray[np.float64]) -> Priorities:
    """Return the priorities of a matrix of comparisons [J, J]: entry m, n says how many times m outweighs n.

    Raises:
        DataError: It is not square, or not positive throughout.
    """
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not matrix.size or not (matrix > 0.0).all():
        raise DataError.at(
            "comparisons",
            found=f"shape {list(matrix.shape)}, or entries that are not above 0",
            expected="a positive matrix [J, J]",
            fix="Fill every pair: entry n, m is one over entry m, n.",
        )
    count = len(matrix)
    weights = _power_iteration(matrix)
    lambda_max = float((matrix @ weights).sum())
    index = (lambda_max - count) / max(1, count - 1)
    random_index = RANDOM_INDEX[min(count, len(RANDOM_INDEX)) - 1]
    return Priorities(weights, lambda_max, index, index / random_index if random_index else 0.0)


def ahp_ratio(scores: NDArray[np.float64], *, classes: int) -> NDArray[np.float64]:
    """Return the priorities [J] of scores [J] that are compared by their ratios: each score's share of the sum.

    For H-scores and `transrate`: a logarithm, such as `leep` or `logme`, has no ratios. Scores below a millionth of
    the largest H-score possible, K - 1, count as that.

    Raises:
        DataError: There is no score, or fewer than two classes.
    """
    if not len(scores) or classes < 2:
        raise DataError.at(
            "scores",
            found=f"{len(scores)} scores of a task of {classes} classes",
            expected="one or more, of two classes or more",
            fix="Ratios of nothing are not defined: leave this task out.",
        )
    # H_m/H_n (Wu et al., 2025) has rank one and is consistent, so its eigenvector needs no iteration.
    positive = np.maximum(scores, _LEAST_SHARE * (classes - 1))
    shares: NDArray[np.float64] = positive / positive.sum()
    return shares


def ahp_winrate(replicates: NDArray[np.float64]) -> Priorities:
    """Return the priorities of sources whose scores [J, B] on B subsamples meet in a tournament.

    How often m beats n, a tie counting half, is kept between 0.01 and 0.99; m outweighs n as wins to defeats.

    Raises:
        DataError: There is no source or no subsample.
    """
    if replicates.ndim != 2 or not replicates.size:
        raise DataError.at(
            "replicates",
            found=f"shape {list(replicates.shape)}",
            expected="[J, B], both 1 or more",
            fix="Give the scores of each source on the same subsamples.",
        )
    # Tournament of tasks as in Taskonomy (Zamir et al., 2018).
    order = np.sign(replicates[:, None, :] - replicates[None, :, :])
    wins = np.clip(0.5 + 0.5 * order.mean(axis=2), *_WINS)
    return principal_eigenvector(wins / wins.T)


def _power_iteration(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.full(len(matrix), 1.0 / len(matrix))
    for _ in range(_MOST_STEPS):
        before = weights
        weights = matrix @ before
        weights /= weights.sum()
        if np.abs(weights - before).sum() < _TOLERANCE:
            break
    return weights
