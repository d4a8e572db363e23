"""The standard error of a score, from subsamples of the items."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import ConfigError
from edgecl.similarity.items import draw_subsample
from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Replicates:
    """A score on several subsamples of its items.

    Attributes:
        values: The score of each subsample.
        widening: What their deviation is multiplied by to be a standard error; infinite where no item can be left out.
    """

    values: tuple[float, ...]
    widening: float


def replicate(
    measure: Callable[[NDArray[np.int64]], float | Refusal],
    labels: NDArray[np.integer],
    *,
    dropped: Sequence[int],
    subsamples: int,
    fraction: float,
    seed: int,
) -> Replicates | Refusal:
    """Return what a score is on stratified subsamples without replacement, or why it has no value there.

    Args:
        measure: The score of the items at ascending positions.
        labels: Classes of all items, [n].
        dropped: Labels that are left out.
        subsamples: How many.
        fraction: Part of each class in a subsample.
        seed: Of the subsamples; they depend on the labels besides, and on nothing else.

    Raises:
        ConfigError: Fewer than 2 subsamples, or a fraction that is not between 0 and 1.
    """
    _check(subsamples, fraction)
    kept = np.flatnonzero(~np.isin(labels, dropped))
    random = np.random.default_rng(seed)
    values, drawn = [], len(kept)
    for _ in range(subsamples):
        positions = kept[draw_subsample(labels[kept], fraction=fraction, random=random)]
        value, drawn = measure(positions), len(positions)
        if isinstance(value, Refusal):
            reason = value.for_an_error(fraction, classes=len(np.unique(labels[kept]))).reason
            return Refusal(f"no standard error: of the subsamples, {reason}")
        values.append(value)
    # Delete-d jackknife (Shao and Wu, 1989): subsamples share most items and so vary less than samples would.
    left_out = len(kept) - drawn
    return Replicates(tuple(values), math.sqrt(drawn / left_out) if left_out else math.inf)


def _check(subsamples: int, fraction: float) -> None:
    if subsamples < 2 or not 0.0 < fraction < 1.0:
        raise ConfigError.at(
            "standard error",
            found=f"{subsamples} subsamples of {fraction} of the items",
            expected="2 or more, and a fraction between 0 and 1, both excluded",
            fix="20 subsamples of 0.8 are the default.",
        )
