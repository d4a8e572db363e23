"""Where the embedding of a new task starts: at the distances that its similarities ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MOST_STEPS = 100
_START_NOISE = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The start of a task's embedding, and how guidance holds it there.

    Attributes:
        embedding: [E] float64.
        gamma: Length in the space of embeddings that a distance of 1 stands for.
    """

    embedding: NDArray[np.float64]
    gamma: float


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Known embeddings [J, E], distances [J], the centre [E] that draws with strength rho, a fixed gamma or None."""

    anchors: NDArray[np.float64]
    distances: NDArray[np.float64]
    centre: NDArray[np.float64]
    rho: float
    gamma: float | None

    def length(self, unknowns: NDArray[np.float64]) -> float:
        """Return gamma, which is exp of the last unknown unless it is fixed."""
        return math.exp(unknowns[-1]) if self.gamma is None else self.gamma


def place(
    anchors: NDArray[np.float64],
    distances: NDArray[np.float64],
    *,
    reliable: bool,
    seed: int,
    rho: float = 1e-3,
    gamma: float | None = None,
) -> Placement:
    """Return the embedding whose distances to the known ones are closest to gamma times those asked for.

    Without a known task: standard normal. With one: in a random direction from it.

    Args:
        anchors: Embeddings of the known tasks [J, E], drawn around 0 with variance 1.
        distances: To each of them, positive, [J].
        reliable: Whether the distances mean something; if not, all count as 1.
        seed: The same seed gives the same embedding.
        rho: How strongly the embedding is drawn to the near known ones, relative to one distance.
        gamma: Fixed to this; fitted if absent and there are two known tasks or more. The fit prefers small ones, so
            that tasks which are placed one after another come closer and closer.

    Raises:
        DataError: Shapes do not fit, or a number is not finite or a distance not positive.
    """
    _check(anchors, distances)
    random = np.random.default_rng(seed)
    asked = distances if reliable else np.ones_like(distances)
    count, width = anchors.shape
    if count < 2:
        length = random_distance(width) if gamma is None else gamma
        return Placement(_beside(anchors, asked * length, random), length)
    centre = _near_weights(asked) @ anchors
    problem = _Problem(anchors, asked, centre, rho, gamma)
    start = centre + _START_NOISE * random.standard_normal(width)
    return Placement(*_solve(problem, start))


def random_distance(width: int) -> float:
    """Return how far two embeddings [E] that are drawn at random are apart: sqrt(2 E)."""
    return math.sqrt(2.0 * width)


def _beside(
    anchors: NDArray[np.float64], lengths: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    drawn: NDArray[np.float64] = random.standard_normal(anchors.shape[1:])
    if not len(anchors):
        return drawn
    beside: NDArray[np.float64] = anchors[0] + lengths[0] * drawn / np.linalg.norm(drawn)
    return beside


def _near_weights(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return softmax(-d) [J]."""
    nearness = np.exp(distances.min() - distances)
    shares: NDArray[np.float64] = nearness / nearness.sum()
    return shares


def _solve(problem: _Problem, start: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return embedding and gamma that minimise sum_n (|e - e_n| - gamma d_n)^2 / d_n + rho |e - centre|^2.

    gamma = exp(g) stays positive; g is the last unknown unless gamma is fixed.
    """
    from scipy.optimize import least_squares

    unknowns = start
    if problem.gamma is None:
        unknowns = np.append(start, math.log(_typical_length(problem.anchors)))
    solution = least_squares(_residuals(problem), unknowns, jac=_jacobian(problem), max_nfev=_MOST_STEPS)
    found: NDArray[np.float64] = solution.x
    return found[: len(start)], problem.length(found)


def _typical_length(anchors: NDArray[np.float64]) -> float:
    """Return the median distance between known embeddings; what is expected of random ones where that is 0."""
    first, second = np.triu_indices(len(anchors), k=1)
    median = float(np.median(np.linalg.norm(anchors[first] - anchors[second], axis=1)))
    return median or random_distance(anchors.shape[1])


def _residuals(problem: _Problem) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    width, pull = problem.anchors.shape[1], math.sqrt(problem.rho)

    def residuals(unknowns: NDArray[np.float64]) -> NDArray[np.float64]:
        embedding, gamma = unknowns[:width], problem.length(unknowns)
        lengths = np.linalg.norm(embedding - problem.anchors, axis=1)
        misfits = (lengths - gamma * problem.distances) / np.sqrt(problem.distances)
        return np.concatenate([misfits, pull * (embedding - problem.centre)])

    return residuals


def _jacobian(problem: _Problem) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    width, pull = problem.anchors.shape[1], math.sqrt(problem.rho)

    def jacobian(unknowns: NDArray[np.float64]) -> NDArray[np.float64]:
        offsets = unknowns[:width] - problem.anchors
        lengths = np.maximum(np.linalg.norm(offsets, axis=1), np.finfo(np.float64).tiny)
        directions = offsets / (lengths * np.sqrt(problem.distances))[:, None]
        rows = np.vstack([directions, pull * np.eye(width)])
        if problem.gamma is not None:
            return rows
        last = np.concatenate([-problem.length(unknowns) * np.sqrt(problem.distances), np.zeros(width)])
        return np.column_stack([rows, last])

    return jacobian


def _check(anchors: NDArray[np.float64], distances: NDArray[np.float64]) -> None:
    if anchors.ndim != 2 or distances.shape != anchors.shape[:1] or not anchors.shape[1]:
        raise DataError.at(
            "placement",
            found=f"embeddings {list(anchors.shape)} and distances {list(distances.shape)}",
            expected="[J, E] and [J]",
            fix="Give one distance for each known task.",
        )
    if not (np.isfinite(anchors).all() and np.isfinite(distances).all() and (distances > 0.0).all()):
        raise DataError.at(
            "placement",
            found="a number that is not finite, or a distance that is not positive",
            expected="finite embeddings and positive distances",
            fix="Leave out tasks without a similarity.",
        )
