"""How well ridge regression predicts the labels of items that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.spectrum import FeatureSpectrum

RIDGES = np.logspace(-4, 6, 21)
"""Penalties, in units of the mean squared singular value over the columns that vary."""


def h_loo(spectrum: FeatureSpectrum) -> float:
    """Return the leave-one-out R^2 of ridge regression, summed over K - 1 contrasts of the labels; K - 1 at most.

    The best of 21 penalties, one for all contrasts. Negative where even the mean predicts better.
    """
    unit = float(np.square(spectrum.singular_values).sum()) / max(1, spectrum.width)
    if unit == 0.0:
        return mean_alone(spectrum)
    return max(r_squared(spectrum, penalty=float(unit * ridge)) for ridge in RIDGES)


def mean_alone(spectrum: FeatureSpectrum) -> float:
    """Return the leave-one-out R^2 of predicting the mean of the other items, summed over K - 1 contrasts."""
    return (spectrum.classes - 1) * (1.0 - (spectrum.n / (spectrum.n - 1)) ** 2)


def r_squared(spectrum: FeatureSpectrum, *, penalty: float) -> float:
    """Return the leave-one-out R^2 at one penalty, with a free intercept, summed over K - 1 contrasts."""
    squares = np.square(spectrum.singular_values)
    weights = squares / (squares + penalty)
    # Leaving item i out divides its residual by 1 - h_ii (Allen, 1974).
    leverages = 1.0 / spectrum.n + np.square(spectrum.left) @ weights
    left_out = _residuals(spectrum, weights) / (1.0 - leverages)[:, None]
    return spectrum.classes - 1 - float(np.square(left_out).sum())


def _residuals(spectrum: FeatureSpectrum, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the residuals [n, K] of the columns of Z, whose constant part the intercept takes.

    Z Z^T - 1 1^T / n is the projector on all contrasts of the labels, so their sum of squares is that of any
    K - 1 orthonormal contrasts.
    """
    counts = np.bincount(spectrum.targets, minlength=spectrum.classes)
    indicator = np.zeros((spectrum.n, spectrum.classes))
    indicator[np.arange(spectrum.n), spectrum.targets] = 1.0 / np.sqrt(counts[spectrum.targets])
    fitted = (spectrum.left * weights) @ spectrum.loadings.T
    residuals: NDArray[np.float64] = indicator - np.sqrt(counts) / spectrum.n - fitted
    return residuals
