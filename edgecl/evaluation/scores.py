"""How many predictions are right, over all items and over classes alike."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.integer[Any]]]

DOMINATES = 0.6
"""Where the largest class holds more than this part of the items, a classifier that always names it looks good."""


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracies on one set of items, percent.

    Attributes:
        accuracy: Part of the items that is right.
        balanced_accuracy: Mean over classes of the part of their items that is right.
    """

    accuracy: float
    balanced_accuracy: float

    @classmethod
    def of(cls, predicted: IntArray, targets: IntArray) -> Score:
        """Return the score of predicted classes [N] against targets [N]; classes without an item do not count."""
        right = predicted == targets
        by_class = [right[targets == label].mean() for label in np.unique(targets)]
        return cls(100.0 * float(right.mean()), 100.0 * float(np.mean(by_class)))

    def to_look_at(self, *, dominated: bool) -> float:
        """Return the accuracy, or the balanced one where one class dominates (`is_dominated`)."""
        return self.balanced_accuracy if dominated else self.accuracy


def is_dominated(targets: IntArray) -> bool:
    """Say whether one class holds most of the items [N], so that balanced accuracy is the one to look at."""
    return bool(np.bincount(targets).max() > DOMINATES * len(targets))


def predictions_digest(predicted: IntArray) -> str:
    """Return the SHA-256 of predicted classes [N]: equal predictions, equal digests."""
    return hashlib.sha256(np.ascontiguousarray(predicted, dtype="<i8").tobytes()).hexdigest()
