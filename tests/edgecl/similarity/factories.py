"""Features whose similarity is known, and answers that are known to be numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecl.similarity import FeatureSpectrum, Similarity, estimate, feature_spectrum

TOY = np.array([[0, 0], [2, 0], [1, 1], [5, 1], [6, 2], [4, 0]], dtype=np.float64)
TOY_LABELS = np.array([0, 0, 0, 1, 1, 1])


def make_features(
    *, items: int = 60, width: int = 7, classes: int = 4, gap: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return correlated Gaussian classes whose means are some `gap` apart, [items, width], and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(items) % classes
    means = gap * random.normal(size=(classes, width))
    mix = np.eye(width) + 0.3 * random.normal(size=(width, width))
    return (random.normal(size=(items, width)) + means[labels]) @ mix, labels


def make_invertible(width: int, *, seed: int = 0) -> np.ndarray:
    """Return a matrix [width, width] with singular values between 1/2 and 2."""
    random = np.random.default_rng(seed)
    left, _ = np.linalg.qr(random.normal(size=(width, width)))
    right, _ = np.linalg.qr(random.normal(size=(width, width)))
    scaled: np.ndarray = left * random.uniform(0.5, 2.0, width) @ right
    return scaled


def spectrum_of(features: np.ndarray, labels: np.ndarray, **options: Any) -> FeatureSpectrum:
    """Return the spectrum of features that can be scored."""
    spectrum = feature_spectrum(features, labels, **options)
    assert isinstance(spectrum, FeatureSpectrum)
    return spectrum


def similarity_of(features: np.ndarray, labels: np.ndarray, **options: Any) -> Similarity:
    """Return the similarity of features that can be scored."""
    similarity = estimate(features, labels, **options)
    assert isinstance(similarity, Similarity)
    return similarity


def make_similarity(value: float = 1.0, **changes: Any) -> Similarity:
    """Return a similarity with given values."""
    return Similarity(
        **{
            "method": "h_lwc",
            "value": value,
            "cross_check": value,
            "chance": 0.0,
            "alpha": 0.1,
            "n": 100,
            "rank": 7,
            "classes": 4,
            "dropped": (),
            "replicates": (value, value),
            "widening": 2.0,
            **changes,
        }
    )
