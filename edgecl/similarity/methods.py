"""Which scores there are, and what each is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from edgecl.similarity.coding_rate import transrate_chance, transrate_score
from edgecl.similarity.evidence import evidence_alone, logme
from edgecl.similarity.hscore import H_SCORES, HScore, h_chance, h_score

if TYPE_CHECKING:
    from edgecl.similarity.refusal import Refusal
    from edgecl.similarity.spectrum import FeatureSpectrum

FeatureMethod = Literal[HScore, "logme", "transrate"]
"""Scores of the features of items under a source."""

Method = Literal[FeatureMethod, "leep"]
"""These, and the score of a source's own predictions."""

FEATURE_METHODS: tuple[FeatureMethod, ...] = get_args(FeatureMethod)
METHODS: tuple[Method, ...] = tuple(sorted(get_args(Method)))
DEFAULT_METHOD: FeatureMethod = "h_lwc"
METHODS_WITH_RATIOS: tuple[Method, ...] = (*H_SCORES, "transrate")
"""Scores with a zero that means nothing was said, so that one can be a multiple of another."""


def score(spectrum: FeatureSpectrum, method: FeatureMethod) -> float | Refusal:
    """Return the score of a method, or why it says nothing about these features."""
    if method == "transrate":
        return transrate_score(spectrum)
    return logme(spectrum) if method == "logme" else h_score(spectrum, method)


def chance_level(spectrum: FeatureSpectrum, method: FeatureMethod) -> float:
    """Return the mean of a score over all permutations of the labels.

    For `h_loo` and `logme` that has no closed form: there it is the score of predicting the mean; for `transrate` it is
    the mean over some permutations.
    """
    if method == "transrate":
        return transrate_chance(spectrum)
    return evidence_alone(spectrum) if method == "logme" else h_chance(spectrum, method)


def cross_check_of(method: Method) -> HScore | None:
    """Return the score that a method is checked against; None for `leep`, which sees no features.

    `h_loo` and `logme` are ridge regression both, so that neither can confirm the other.
    """
    if method == "leep":
        return None
    return "h_lwc" if method in ("h_loo", "logme") else "h_loo"
