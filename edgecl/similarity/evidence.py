"""LogME: transferability as the Bayesian evidence of linear models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError
from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.spectrum import FeatureSpectrum

_MOST_STEPS = 200
_TOLERANCE = 1e-10
_LIMITS = (1e-8, 1e8)


@dataclass(frozen=True, slots=True, eq=False)
class LogEvidence:
    """How well linear models of the features explain the labels.

    Attributes:
        value: LogME: log evidence per item, nats, mean over the classes. Comparable only between sources of
            one width on the same labels.
        alpha: Precision of the weights, one per class, [K].
        beta: Precision of the noise, one per class, [K].
    """

    value: float
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]


def log_evidence(spectrum: FeatureSpectrum) -> LogEvidence:
    """Return LogME of a spectrum: each class against the rest, labels 0 and 1, centred like the features.

    Precisions are kept between 1e-8 and 1e8, which ends the iteration also where it would run away.

    Raises:
        DataError: There are fewer than two classes.
    """
    if spectrum.classes < 2:
        raise DataError.at(
            "labels",
            found=f"{spectrum.classes} class",
            expected="two or more",
            fix="Evidence compares a class with the rest: give items of another class, too.",
        )
    counts = np.bincount(spectrum.targets, minlength=spectrum.classes)
    found = [
        _class_evidence(spectrum, np.square(np.sqrt(count) * loadings), count * (1.0 - count / spectrum.n))
        for count, loadings in zip(counts, spectrum.loadings, strict=True)
    ]
    values, alpha, beta = np.array(found).T
    return LogEvidence(float(values.mean()), alpha, beta)


def logme(spectrum: FeatureSpectrum) -> float | Refusal:
    """Return LogME of a spectrum, or why it has none.

    Where features fit a class without noise, evidence grows without bound, and its value says only where the
    iteration was ended. With n <= D + 1 that happens to labels of any kind.
    """
    if spectrum.classes < 2:
        return Refusal(f"{spectrum.n} samples of one class: there is nothing to tell apart")
    found = log_evidence(spectrum)
    if (found.beta >= _LIMITS[1]).any():
        return Refusal(
            f"{spectrum.n} samples of {spectrum.width} features fit a class without noise, where evidence has no "
            "bound: it takes more samples, or use h_lwc"
        )
    return found.value


def evidence_alone(spectrum: FeatureSpectrum) -> float:
    """Return LogME of features that say nothing: the log evidence of the classes' shares alone."""
    shares = np.bincount(spectrum.targets, minlength=spectrum.classes) / spectrum.n
    # The limit for alpha -> infinity, where beta is one over the variance of the labels.
    return float((-0.5 * (np.log(2.0 * np.pi * shares * (1.0 - shares)) + 1.0)).mean())


def _class_evidence(
    spectrum: FeatureSpectrum, projections: NDArray[np.float64], energy: float
) -> tuple[float, float, float]:
    """Return evidence per item, alpha and beta of one class.

    Args:
        spectrum: Of the features.
        projections: Squares of U^T y, [r].
        energy: y^T y of the centred labels.
    """
    alpha = beta = 1.0
    squares = np.square(spectrum.singular_values)
    outside = max(0.0, energy - float(projections.sum()))
    for _ in range(_MOST_STEPS):
        weights, residual = _fit(alpha, beta, squares, projections, outside)
        # Fixed point (MacKay, 1992; You et al., 2021), gamma is the effective number of parameters.
        gamma = float((beta * squares / (alpha + beta * squares)).sum())
        before = np.array([alpha, beta])
        alpha = _limited(gamma, weights)
        beta = _limited(spectrum.n - gamma, residual)
        if np.allclose([alpha, beta], before, rtol=_TOLERANCE, atol=0.0):
            break
    weights, residual = _fit(alpha, beta, squares, projections, outside)
    n = spectrum.n
    # Log evidence of Bayesian linear regression (Bishop, 2006, eq. 3.86) with |A| / alpha^D from the spectrum.
    evidence = 0.5 * (
        n * np.log(beta / (2.0 * np.pi))
        - np.log1p(beta * squares / alpha).sum()
        - beta * residual
        - alpha * weights
    )
    return float(evidence) / n, alpha, beta


def _fit(
    alpha: float,
    beta: float,
    squares: NDArray[np.float64],
    projections: NDArray[np.float64],
    outside: float,
) -> tuple[float, float]:
    """Return the squared norms of the mean weights and of the residual."""
    precision = alpha + beta * squares
    weights = float((np.square(beta / precision) * squares * projections).sum())
    return weights, outside + float((np.square(alpha / precision) * projections).sum())


def _limited(numerator: float, denominator: float) -> float:
    low, high = _LIMITS
    return high if numerator >= high * denominator else max(low, numerator / denominator)
