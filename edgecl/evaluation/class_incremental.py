"""Predictions without being told the task: every task answers, and the one that is surest is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecl_runtime.heads import softmax

Scores = NDArray[np.floating[Any]]


def lowest_entropy(scores: Sequence[Scores]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each item the task whose probabilities have the lowest entropy, and the class that it names.

    Entropy is compared as part of the most that a head of so many classes can have, ln C: otherwise a head of two
    classes that knows nothing, ln 2, is surer than a good one of forty. Of equally sure tasks the first is believed.

    The true task takes no part: heads and modules of every task are tried alike (task-agnostic evaluation of
    task-specific modules, as in "Continual Learning with Hypernetworks", von Oswald et al. 2020, section 2).

    Args:
        scores: Of each task the scores of its own classes on the same items, [N, C] with a C of its own.

    Returns:
        Positions of tasks [N], and classes [N] within these tasks.
    """
    entropies = np.stack([_entropy(each) for each in scores])
    tasks = entropies.argmin(axis=0)
    classes = np.stack([each.argmax(axis=1) for each in scores])
    chosen: NDArray[np.int64] = classes[tasks, np.arange(len(tasks))]
    return tasks, chosen


def _entropy(scores: Scores) -> NDArray[np.float64]:
    """Return the entropy [N] of the softmax of scores [N, C], over ln C: 0 is certain, 1 is even.

    It is 1 for a head of a single class, too: that names its class whatever it sees, and so says nothing.
    """
    items, classes = scores.shape
    if classes == 1:
        return np.ones(items)
    probabilities = softmax(scores).astype(np.float64)
    logarithms = np.log(np.clip(probabilities, np.finfo(np.float64).tiny, None))
    entropy: NDArray[np.float64] = -(probabilities * logarithms).sum(axis=1) / np.log(classes)
    return entropy
