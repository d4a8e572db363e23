"""TransRate: transferability as the volume of the features that their classes do not fill one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.spectrum import FeatureSpectrum

_DISTORTION = 1e-4
_PERMUTATIONS = 20


def transrate(spectrum: FeatureSpectrum) -> float:
    """Return TransRate: the coding rate of the features less that of each class alone, nats; never below 0.

    0 where all classes have the same rows, or where there is one class. It depends on the scale of the features.
    """
    return _unfilled(spectrum, spectrum.targets)


def transrate_score(spectrum: FeatureSpectrum) -> float | Refusal:
    """Return TransRate, or why it says nothing about these features."""
    if spectrum.n <= spectrum.width:
        return Refusal.too_few(
            f"{spectrum.n} samples of {spectrum.width} features give a transrate that is nearly all chance",
            least=spectrum.width + 1,
        )
    return transrate(spectrum)


def transrate_chance(spectrum: FeatureSpectrum) -> float:
    """Return the mean of TransRate over 20 permutations of the labels; it grows with the width of the features."""
    random = np.random.default_rng(0)
    return float(
        np.mean([_unfilled(spectrum, random.permutation(spectrum.targets)) for _ in range(_PERMUTATIONS)])
    )


def _unfilled(spectrum: FeatureSpectrum, targets: NDArray[np.int64]) -> float:
    # TransRate (Huang et al., 2022), with a class weighted by its share of the items.
    rows = spectrum.left * spectrum.singular_values
    classes = [rows[targets == target] for target in range(spectrum.classes)]
    return _rate(rows) - sum(len(part) / spectrum.n * _rate(part) for part in classes)


def _rate(rows: NDArray[np.float64]) -> float:
    """Return log det(I + F^T F / (n epsilon)) / 2 of rows F [n, r], by the smaller of the two Gram matrices."""
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    return 0.5 * float(np.linalg.slogdet(np.eye(len(gram)) + gram / (len(rows) * _DISTORTION))[1])
