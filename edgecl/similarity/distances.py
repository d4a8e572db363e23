"""From scores to distances: how far from each known task a new one is to be placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecl.errors import ConfigError, DataError
from edgecl.similarity.ahp import ahp_ratio, ahp_winrate
from edgecl.similarity.estimate import Similarity
from edgecl.similarity.methods import METHODS_WITH_RATIOS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.comparison import Comparison

Normalization = Literal["ahp_ratio", "ahp_winrate", "relative"]

_RANGE = (0.25, 4.0)
_NORMAL_IQR = 1.35
_TINY = 1e-12


def task_distances(
    comparison: Comparison, *, normalization: Normalization = "relative"
) -> NDArray[np.float64]:
    """Return the distance of a task to each source [J], smaller for those that say more about it.

    `relative` ones are around 1, 0.25 to 4; by `ahp_winrate` and `ahp_ratio` they lie between e^-1 = 0.37 and 1. All
    are 1 where the comparison is not reliable, and where a normalization needs errors that are not known.

    Args:
        comparison: Of J sources.
        normalization: `relative` to the other sources and the noise; `ahp_winrate` from a tournament over the
            subsamples; `ahp_ratio` as published, whose contrast fades with the number of sources.

    Raises:
        ConfigError: `ahp_ratio` of a score that has no ratios: `leep` and `logme` are logarithms.
    """
    given = [result for result in comparison.sources.values() if isinstance(result, Similarity)]
    if normalization == "ahp_ratio":
        _check_ratios(given)
    if not comparison.reliable:
        return np.ones(len(comparison.sources))
    values = np.array([similarity.value for similarity in given])
    if normalization == "relative":
        return relative_distances(values, np.array([similarity.standard_error for similarity in given]))
    if normalization == "ahp_ratio":
        return priority_distances(ahp_ratio(values, classes=given[0].classes))
    if not all(similarity.replicates for similarity in given):
        return np.ones(len(given))
    replicates = np.array([similarity.replicates for similarity in given])
    return priority_distances(ahp_winrate(replicates).weights)


def relative_distances(values: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distances [J], 0.25 to 4: e^(-z/2), where z counts robust deviations from the median score.

    Args:
        values: Scores [J].
        errors: Their standard errors [J].

    Raises:
        DataError: There is no score.
    """
    if not len(values):
        raise DataError.at("scores", found="none", expected="one or more", fix="Give the score of a source.")
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    z = (values - median) / (errors + (high - low) / _NORMAL_IQR + _TINY)
    limited: NDArray[np.float64] = np.clip(np.exp(-0.5 * z), *_RANGE)
    return limited


def priority_distances(weights: NDArray[np.float64], *, steepness: float = 1.0) -> NDArray[np.float64]:
    """Return distances [J] from priorities [J] that sum to 1; the published steepness is 1."""
    # Distance exp(-AHP) (Wu et al., 2025).
    distances: NDArray[np.float64] = np.exp(-steepness * weights)
    return distances


def _check_ratios(given: Sequence[Similarity]) -> None:
    for similarity in given:
        if similarity.method not in METHODS_WITH_RATIOS:
            raise ConfigError.at(
                "normalization",
                found=f"ahp_ratio of {similarity.method}, a logarithm",
                expected=f"one of {', '.join(METHODS_WITH_RATIOS)}",
                fix="Use relative or ahp_winrate: they compare differences and ranks.",
            )
