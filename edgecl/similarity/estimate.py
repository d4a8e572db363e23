"""One source, one number, and how far that number can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import ConfigError
from edgecl.similarity.hscore import h_lwc, shrinkage
from edgecl.similarity.items import usable_items
from edgecl.similarity.leave_one_out import h_loo
from edgecl.similarity.methods import (
    DEFAULT_METHOD,
    FEATURE_METHODS,
    FeatureMethod,
    Method,
    chance_level,
    cross_check_of,
    score,
)
from edgecl.similarity.predictions import check_probabilities, leep_chance, leep_score
from edgecl.similarity.refusal import Refusal
from edgecl.similarity.spectrum import feature_spectrum
from edgecl.similarity.subsamples import Replicates, replicate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Similarity:
    """How much one source says about the labels of a task.

    Attributes:
        method: Which score it is.
        value: The score. H-scores are `classes` - 1 at most; `leep` is 0 at most; `logme` is in nats per item,
            `transrate` in nats.
        cross_check: `h_loo` of the same spectrum; `h_lwc` where `h_loo` or `logme` is the method; None for `leep`.
        chance: What the score would be on average for permuted labels.
        alpha: Shrinkage of the covariance, 0 to 1 (Ledoit and Wolf's); None for `leep`, which sees no features.
        n: Items that were used.
        rank: Components that were used; None for `leep`.
        classes: Classes that were used, K.
        dropped: Labels that were left out, since they have a single sample.
        replicates: The score of each subsample; the same subsamples for all sources of one task. Empty for an `h_raw`
            that the subsamples are too few for.
        widening: What the deviation of anything over the subsamples is multiplied by to be its standard error;
            infinite where every class has 2 samples, so that none can be left out, and where there are no replicates.
    """

    method: Method
    value: float
    cross_check: float | None
    chance: float
    alpha: float | None
    n: int
    rank: int | None
    classes: int
    dropped: tuple[int, ...]
    replicates: tuple[float, ...]
    widening: float

    @property
    def standard_error(self) -> float:
        """Of the score; infinite where no item can be left out."""
        return math.inf if math.isinf(self.widening) else self.widening * float(np.std(self.replicates))


def estimate(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    method: FeatureMethod = DEFAULT_METHOD,
    subsamples: int = 20,
    fraction: float = 0.8,
    seed: int = 0,
) -> Similarity | Refusal:
    """Return the similarity that features show, or why no number can be given.

    Columns are standardised first. The standard error comes from stratified subsamples without replacement:
    a resample with replacement holds rows twice, which the score takes for structure. Where the subsamples are too few
    for a score, only `h_raw` is given, with an infinite error.

    Args:
        features: [n, D] of a float type.
        labels: Classes [n], integers.
        method: Which score; `h_lwc` can be given for any n.
        subsamples: How many, for the standard error.
        fraction: Part of each class in a subsample.
        seed: Of the subsamples.

    Raises:
        DataError: Shapes or types do not fit, or a feature is not finite.
        ConfigError: Unknown method, fewer than 2 subsamples, or a fraction that is not between 0 and 1.
    """
    _check_method(method)
    spectrum = feature_spectrum(features, labels)
    if isinstance(spectrum, Refusal):
        return spectrum
    value = score(spectrum, method)
    if isinstance(value, Refusal):
        return value.for_an_error(fraction, classes=spectrum.classes)

    def measure(positions: NDArray[np.int64]) -> float | Refusal:
        part = feature_spectrum(features[positions], labels[positions])
        return part if isinstance(part, Refusal) else score(part, method)

    replicates = replicate(
        measure, labels, dropped=spectrum.dropped, subsamples=subsamples, fraction=fraction, seed=seed
    )
    if isinstance(replicates, Refusal):
        if method != "h_raw":
            return replicates
        # Published guidance goes by the raw value alone: it acts wherever the whole has one.
        replicates = Replicates((), math.inf)
    return Similarity(
        method=method,
        value=value,
        cross_check=h_lwc(spectrum) if cross_check_of(method) == "h_lwc" else h_loo(spectrum),
        chance=chance_level(spectrum, method),
        alpha=shrinkage(spectrum),
        n=spectrum.n,
        rank=spectrum.rank,
        classes=spectrum.classes,
        dropped=spectrum.dropped,
        replicates=replicates.values,
        widening=replicates.widening,
    )


def estimate_predictions(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    subsamples: int = 20,
    fraction: float = 0.8,
    seed: int = 0,
) -> Similarity | Refusal:
    """Return the similarity that a source's own predictions show, or why no number can be given.

    That is `leep`, with a standard error as in `estimate`. Classes with a single sample are left out.

    Args:
        probabilities: What the source's head says about each item, [n, Z], rows sum to 1.
        labels: Classes [n], integers.
        subsamples: How many, for the standard error.
        fraction: Part of each class in a subsample.
        seed: Of the subsamples, and of the permutations that give the chance level.

    Raises:
        DataError: Shapes do not fit, there is no item, or a row is not a distribution.
        ConfigError: Fewer than 2 subsamples, or a fraction that is not between 0 and 1.
    """
    check_probabilities(probabilities, labels, where="probabilities")
    items = usable_items(labels)
    if isinstance(items, Refusal):
        return items

    def measure(positions: NDArray[np.int64]) -> float | Refusal:
        return leep_score(probabilities[positions], labels[positions])

    value = measure(items.positions)
    if isinstance(value, Refusal):
        return value.for_an_error(fraction, classes=items.classes)
    replicates = replicate(
        measure, labels, dropped=items.dropped, subsamples=subsamples, fraction=fraction, seed=seed
    )
    if isinstance(replicates, Refusal):
        return replicates
    return Similarity(
        method="leep",
        value=value,
        cross_check=None,
        chance=leep_chance(probabilities[items.positions], items.targets, seed=seed),
        alpha=None,
        n=len(items.targets),
        rank=None,
        classes=items.classes,
        dropped=items.dropped,
        replicates=replicates.values,
        widening=replicates.widening,
    )


def _check_method(method: str) -> None:
    if method not in FEATURE_METHODS:
        raise ConfigError.at(
            "method",
            found=repr(method),
            expected=f"one of {', '.join(FEATURE_METHODS)}",
            fix="h_lwc is the default.",
        )
