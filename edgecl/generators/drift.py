"""How far what is generated for earlier tasks has moved from what was stored when they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

DriftForm = Literal["frob", "ms", "sq", "rel"]

_SMALLEST = 1e-12


def drift(now: Tensor, stored: Tensor, *, form: DriftForm) -> Tensor:
    """Return the drift of S tasks as a loss [], averaged over the tasks; 0 without a task.

    Args:
        now: Rows as they are generated, [S, L, rows, D].
        stored: Rows as they were when each task ended, [S, L, rows, D].
        form: `frob`: Frobenius norm of each block, averaged over blocks, as in AdaPrefix++
            (openreview.net/forum?id=qb3PjYY4gd). `ms`: mean square. `sq`: sum of squares, as in "Continual Learning
            with Hypernetworks" (von Oswald et al. 2020). `rel`: mean square over that of the stored rows, so that
            the loss means the same at every width and scale.

    Raises:
        ValueError: The shapes differ.
    """
    if now.shape != stored.shape:
        raise ValueError(f"drift: rows {tuple(now.shape)} now, {tuple(stored.shape)} stored; give both alike")
    if len(now) == 0:
        return now.new_zeros(())
    change = now - stored
    match form:
        case "frob":
            return _norm(change).mean()
        case "ms":
            return change.square().mean()
        case "sq":
            return change.square().sum() / len(now)
        case "rel":
            return (_mean_square(change) / _mean_square(stored).clamp(min=_SMALLEST)).mean()


def choose_tasks(count: int, at_most: int, rng: np.random.Generator) -> Tensor:
    """Return which of `count` earlier tasks a step looks at: all, or `at_most` random ones, ascending, int64.

    With it a step costs the same at 5 and at 500 tasks.
    """
    if count <= at_most:
        return torch.arange(count)
    return torch.from_numpy(rng.choice(count, size=at_most, replace=False)).sort().values


def _norm(rows: Tensor) -> Tensor:
    """Return the Frobenius norm of each block, [..., L], of rows [..., L, rows, D]."""
    norm: Tensor = torch.linalg.vector_norm(rows, dim=(-2, -1))
    return norm


def _mean_square(rows: Tensor) -> Tensor:
    return rows.square().mean(dim=(-3, -2, -1))
