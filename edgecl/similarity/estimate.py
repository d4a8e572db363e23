"""One source, one number, and how far that number can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import ConfigError
from edgecl.similarity.hscore import METHODS, Method, chance_level, h_lwc, score, shrinkage
from edgecl.similarity.items import draw_subsample
from edgecl.similarity.leave_one_out import h_loo
from edgecl.similarity.refusal import Refusal
from edgecl.similarity.spectrum import feature_spectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_METHOD: Method = "h_lwc"


@dataclass(frozen=True, slots=True)
class Similarity:
    """How much the features of one source say about the labels of a task.

    Attributes:
        method: Which score it is.
        value: The score, at most `classes` - 1.
        standard_error: Of the score; infinite where every class has 2 samples, so that none can be left out.
        cross_check: `h_loo` of the same spectrum; `h_lwc` where `h_loo` is the method.
        chance: What the score would be on average for permuted labels.
        alpha: Shrinkage of the covariance, 0 to 1 (Ledoit and Wolf's).
        n: Items that were used.
        rank: Components that were used.
        classes: Classes that were used, K.
        dropped: Labels that were left out, since they have a single sample.
        replicates: The score of each subsample; the same subsamples for all sources of one task.
    """

    method: Method
    value: float
    standard_error: float
    cross_check: float
    chance: float
    alpha: float
    n: int
    rank: int
    classes: int
    dropped: tuple[int, ...]
    replicates: tuple[float, ...]


def estimate(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    method: Method = DEFAULT_METHOD,
    subsamples: int = 20,
    fraction: float = 0.8,
    seed: int = 0,
) -> Similarity | Refusal:
    """Return the similarity that features show, or why no number can be given.

    Columns are standardised first. The standard error comes from stratified subsamples without replacement:
    a resample with replacement holds rows twice, which the score takes for structure.

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
    _check_options(method, subsamples, fraction)
    spectrum = feature_spectrum(features, labels)
    if isinstance(spectrum, Refusal):
        return spectrum
    value = score(spectrum, method)
    if isinstance(value, Refusal):
        return value
    kept = np.flatnonzero(~np.isin(labels, spectrum.dropped))
    random = np.random.default_rng(seed)
    drawn = [
        kept[draw_subsample(spectrum.targets, fraction=fraction, random=random)] for _ in range(subsamples)
    ]
    replicates = _replicates(features, labels, drawn, method)
    if isinstance(replicates, Refusal):
        return replicates
    return Similarity(
        method=method,
        value=value,
        standard_error=_standard_error(replicates, drawn=len(drawn[0]), n=spectrum.n),
        cross_check=h_lwc(spectrum) if method == "h_loo" else h_loo(spectrum),
        chance=chance_level(spectrum, method),
        alpha=shrinkage(spectrum),
        n=spectrum.n,
        rank=spectrum.rank,
        classes=spectrum.classes,
        dropped=spectrum.dropped,
        replicates=replicates,
    )


def cross_check_of(method: Method) -> Method:
    """Return the score that a method is checked against."""
    return "h_lwc" if method == "h_loo" else "h_loo"


def _replicates(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    drawn: list[NDArray[np.int64]],
    method: Method,
) -> tuple[float, ...] | Refusal:
    values = []
    for positions in drawn:
        spectrum = feature_spectrum(features[positions], labels[positions])
        value = spectrum if isinstance(spectrum, Refusal) else score(spectrum, method)
        if isinstance(value, Refusal):
            return Refusal(f"no standard error: of the subsamples, {value.reason}")
        values.append(value)
    return tuple(values)


def _standard_error(replicates: tuple[float, ...], *, drawn: int, n: int) -> float:
    if drawn == n:
        return math.inf
    # Delete-d jackknife (Shao and Wu, 1989): subsamples share most items and so vary less than samples would.
    return math.sqrt(drawn / (n - drawn)) * float(np.std(replicates))


def _check_options(method: str, subsamples: int, fraction: float) -> None:
    if method not in METHODS:
        raise ConfigError.at(
            "method", found=repr(method), expected=f"one of {', '.join(METHODS)}", fix="h_lwc is the default."
        )
    if subsamples < 2 or not 0.0 < fraction < 1.0:
        raise ConfigError.at(
            "standard error",
            found=f"{subsamples} subsamples of {fraction} of the items",
            expected="2 or more, and a fraction between 0 and 1, both excluded",
            fix="20 subsamples of 0.8 are the default.",
        )
