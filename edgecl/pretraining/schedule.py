"""How far a training is, which images a step takes, the rate: pure functions, so that a resumed run follows them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.pretraining.config import OptimisationConfig

LEAST_FACTOR = 0.01
"""On the rate: by the clock, the first step is taken when nothing of the warm-up is over."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which images each step takes: every image at most once per pass, in an order of the seed and the pass."""

    images: int
    batch_size: int
    seed: int

    @classmethod
    def of(cls, images: int, batch_size: int, seed: int) -> Order:
        """Return an order whose batches are no larger than the set."""
        return cls(images, min(batch_size, images), seed)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the images of a step, [batch]; a pass leaves out what does not fill a batch."""
        epoch, place = divmod(step, self.images // self.batch_size)
        return _shuffled(self.images, self.seed, epoch)[place * self.batch_size :][: self.batch_size]


@dataclass(frozen=True, slots=True)
class Budget:
    """When a training ends: after `total` seconds if it goes by the clock, else after `total` steps."""

    total: float
    by_clock: bool

    @classmethod
    def plan(cls, order: Order, config: OptimisationConfig) -> Budget:
        """Return the budget of a recipe for images in an order."""
        if config.minutes is not None:
            return cls(60 * config.minutes, by_clock=True)
        return cls(max(1, round(config.epochs * order.images / order.batch_size)), by_clock=False)

    def done(self, step: int, seconds: float) -> float:
        """Return the part of the training that lies behind, 1 or more when it is over."""
        return (seconds if self.by_clock else step) / self.total


def rate_factor(done: float, warmup: float) -> float:
    """Return the factor on the learning rate: a linear rise over `warmup`, then half a cosine down to 0."""
    if done < warmup:
        return max(done / warmup, LEAST_FACTOR)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) if done < 1 else 0.0


@lru_cache(maxsize=1)
def _shuffled(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(images)
