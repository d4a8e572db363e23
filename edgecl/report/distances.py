"""How far the tasks of a run are from each other before any of them is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecl.evaluation.matrix import Matrix
from edgecl.training.signature import Signature, has_signature, read_signature

if TYPE_CHECKING:
    from edgecl.training.run import Run


def distances_of(run: Run) -> Matrix:
    """Return the Bures distance of the bare features of each pair of tasks, [T, T]; NaN for one without a signature.

    In the unit of the features, not squared: 0 where mean and variance are the same.

    Raises:
        RunError: A signature is damaged.
    """
    signatures = [_signature(run, name) for name in run.names]
    distances = np.full((len(signatures), len(signatures)), np.nan)
    for row, one in enumerate(signatures):
        for column, other in enumerate(signatures):
            if one is not None and other is not None:
                distances[row, column] = one.distance(other)
    return distances


def _signature(run: Run, name: str) -> Signature | None:
    """Return what was stored of a task's bare features; None in a run of an earlier version."""
    return read_signature(run, name) if has_signature(run, name) else None
