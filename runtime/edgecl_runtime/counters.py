"""How long the stages of a call take: the last calls of each, at the cost of one store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["WINDOW", "Percentiles", "Stage", "Stages"]

WINDOW: Final = 1024


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of the last `WINDOW` calls, in milliseconds; `count` is of all calls."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Stage:
    """The times of one stage. Calls from several threads at the same moment may overwrite each other's."""

    __slots__ = ("_count", "_seconds")

    def __init__(self) -> None:
        self._count = 0
        self._seconds = [0.0] * WINDOW

    def add(self, seconds: float) -> None:
        """Remember one call."""
        self._seconds[self._count % WINDOW] = seconds
        self._count += 1

    def percentiles(self) -> Percentiles | None:
        """Return the percentiles, or None before the first call."""
        if not self._count:
            return None
        last = self._seconds[: min(self._count, WINDOW)]
        p50, p95, p99 = (1e3 * float(value) for value in np.percentile(last, (50, 95, 99)))
        return Percentiles(self._count, p50, p95, p99)


class Stages:
    """The stages of a call.

    Attributes:
        prepare: Items to inputs of the graph.
        switch: Finding the task, and the first time reading it from its pack.
        run: The graph.
        head: Features to labels.
    """

    __slots__ = ("head", "prepare", "run", "switch")

    def __init__(self) -> None:
        self.prepare, self.switch, self.run, self.head = Stage(), Stage(), Stage(), Stage()

    def percentiles(self) -> dict[str, Percentiles]:
        """Return the percentiles of the stages that were used, by name."""
        stages = {"prepare": self.prepare, "switch": self.switch, "run": self.run, "head": self.head}
        found = {name: stage.percentiles() for name, stage in stages.items()}
        return {name: value for name, value in found.items() if value is not None}
