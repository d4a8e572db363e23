"""Numbers of steps and the learning rate at each: pure functions, so a resumed run follows the same curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecl.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a task is trained and how its learning rate moves.

    Attributes:
        steps_per_epoch: Batches of one pass over the items.
        epochs: Passes, enough for the least number of steps.
        warmup_steps: Steps in which the rate rises linearly.
        final_fraction: The cosine ends at this fraction of the rate.
    """

    steps_per_epoch: int
    epochs: int
    warmup_steps: int
    final_fraction: float

    @classmethod
    def plan(cls, items: Sequence[int], config: TrainingConfig) -> Schedule:
        """Return the schedule for tasks of so many training items each, of which each gets its least steps."""
        batches = [math.ceil(count / config.batch_size) for count in items]
        epochs = max(config.epochs, math.ceil(config.min_steps / min(batches)))
        steps_per_epoch = sum(batches)
        warmup = math.ceil(config.warmup_fraction * epochs * steps_per_epoch)
        return cls(steps_per_epoch, epochs, warmup, config.final_fraction)

    @property
    def steps(self) -> int:
        """Optimisation steps of the whole task."""
        return self.steps_per_epoch * self.epochs

    def factor(self, step: int) -> float:
        """Return the factor on the learning rate at a step, counted from 0: linear warm-up, then a cosine."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.final_fraction + (1 - self.final_fraction) * 0.5 * (1 + math.cos(math.pi * done))
