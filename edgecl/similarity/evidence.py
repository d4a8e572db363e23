"""Transferability without an H-score: from a source's own predictions, and from Bayesian evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError

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


def leep(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Return LEEP: the mean log-probability of the labels, predicted through the source's own classes; 0 at most.

    Args:
        probabilities: What the source's head says about each item, [n, Z], rows sum to 1.
        labels: Classes of the new task, [n].

    Raises:
        DataError: Shapes do not fit, there is no item, or a row is not a distribution.
    """
    source = _distributions(probabilities, labels)
    _, targets = np.unique(labels, return_inverse=True)
    # LEEP (Nguyen et al., 2020): P(y|z) from the joint distribution of labels and source classes.
    joint = np.zeros((targets.max() + 1, source.shape[1]))
    np.add.at(joint, targets, source)
    mass = joint.sum(axis=0)
    conditional = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0.0)
    predicted = (conditional[targets] * source).sum(axis=1)
    return float(np.log(predicted).mean())


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


def _distributions(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    if probabilities.ndim != 2 or len(labels) == 0 or labels.shape != probabilities.shape[:1]:
        raise DataError.at(
            "probabilities",
            found=f"{list(probabilities.shape)} and labels {list(labels.shape)}",
            expected="[n, Z] and [n]",
            fix="Give one row of probabilities for each label.",
        )
    source = probabilities.astype(np.float64)
    # Written so that NaN is refused, too. Half precision rounds a sum of 1,000 classes by less than 0.01.
    if not ((source >= 0.0).all() and (np.abs(source.sum(axis=1) - 1.0) < 0.01).all()):
        raise DataError.at(
            "probabilities",
            found="rows that are no distributions",
            expected="numbers from 0 that sum to 1",
            fix="Apply the softmax to the scores of the head.",
        )
    return source
