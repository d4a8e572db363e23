"""Ratios of CPU time between ways to do the same, from interleaved repetitions.

What else a machine does changes times by tens of percent within seconds. So every round runs each case once, a
ratio is taken within a round, and rounds are added until the ratio is known well enough.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["STANDARD_ERROR", "Comparison", "Ratio", "compare"]

STANDARD_ERROR: Final = 0.005
"""Of a ratio: rounds are added until it is below."""

_LEAST_ROUNDS = 9
_WIDTH = 1.349  # of a normal distribution, from its lower to its upper quartile, in standard deviations
_OF_MEDIAN = 1.2533  # its standard error, in standard errors of the mean

Case = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The time of one case over that of another.

    Attributes:
        median: Over the rounds.
        low: The lower quartile.
        high: The upper quartile.
        standard_error: Of the median, from the quartiles.
        rounds: How many.
        capped: The time ran out before the standard error was below `STANDARD_ERROR`.
    """

    median: float
    low: float
    high: float
    standard_error: float
    rounds: int
    capped: bool

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> Ratio:
        """Return the ratio that the rounds show."""
        low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
        error = _OF_MEDIAN * (high - low) / _WIDTH / math.sqrt(len(values))
        return cls(median, low, high, error, len(values), capped=not error < STANDARD_ERROR)

    def to_json(self) -> dict[str, Any]:
        """Return what a result file holds."""
        return {
            "median": round(self.median, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "standard_error": round(self.standard_error, 4),
            "rounds": self.rounds,
            "capped": self.capped,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratios that were asked for, named "case / other case", and the median time of each case."""

    ratios: Mapping[str, Ratio]
    milliseconds: Mapping[str, float]


def compare(
    cases: Mapping[str, Case],
    pairs: Sequence[tuple[str, str]],
    *,
    limit_s: float,
    clock: Clock = time.process_time,
) -> Comparison:
    """Return the ratio of each pair of cases.

    Args:
        cases: What is measured, by name. Each is run once before anything counts.
        pairs: Which case is divided by which.
        limit_s: The time after which no round begins; at least nine rounds are made.
        clock: CPU seconds of this process and all its threads.
    """
    for case in cases.values():
        case()
    took: dict[str, list[float]] = {name: [] for name in cases}
    started = clock()
    while True:
        _round(cases, took, clock)
        rounds = len(next(iter(took.values())))
        ratios = {f"{one} / {other}": _ratio(took[one], took[other]) for one, other in pairs}
        late = clock() - started > limit_s
        if rounds >= _LEAST_ROUNDS and (late or not any(ratio.capped for ratio in ratios.values())):
            return Comparison(
                ratios, {name: 1e3 * float(np.median(seconds)) for name, seconds in took.items()}
            )


def _round(cases: Mapping[str, Case], took: Mapping[str, list[float]], clock: Clock) -> None:
    """Run each case once, every other round in the opposite order."""
    names = list(cases)
    if len(took[names[0]]) % 2:
        names.reverse()
    for name in names:
        started = clock()
        cases[name]()
        took[name].append(clock() - started)


def _ratio(one: list[float], other: list[float]) -> Ratio:
    return Ratio.of(np.array(one) / np.array(other))
