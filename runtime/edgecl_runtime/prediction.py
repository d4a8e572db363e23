"""What the runtime answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MixedPrediction", "Prediction"]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a task says about B items.

    Attributes:
        labels: The most probable class of each item.
        probabilities: float32 [B, C], columns in the order of `classes`.
        task: The task that was asked.
        features: float32 [B, D], the pooled features under that task.
        classes: The C class names.
    """

    labels: tuple[str, ...]
    probabilities: Float32
    task: str
    features: Float32
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MixedPrediction:
    """What a task per item says about B items; an item without a task has features and nothing else.

    Attributes:
        labels: The most probable class of each item; None where it has no task.
        probabilities: For each item float32 [C] in the order of its classes; C differs from task to task, and is
            0 where there is no task.
        tasks: The task of each item, or None.
        features: float32 [B, D], the pooled features of each item under its task, or under the bare backbone.
        classes: For each item the class names of its task; empty where it has none.
    """

    labels: tuple[str | None, ...]
    probabilities: tuple[Float32, ...]
    tasks: tuple[str | None, ...]
    features: Float32
    classes: tuple[tuple[str, ...], ...]
