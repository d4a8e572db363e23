"""Features as their principal components, and the share of each that the classes explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.similarity.items import check_features, usable_items
from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = np.dtype(np.float16)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpectrum:
    """Centred features F = U S V^T [n, D] of rank r beside the labels of their K classes, all float64.

    Attributes:
        left: U, orthonormal columns that sum to zero, [n, r].
        singular_values: S, descending, [r].
        loadings: Z^T U [K, r], where column k of Z [n, K] is 1/sqrt(n_k) for the items of class k, else 0.
        targets: Class of each item, [n] int64.
        width: Number of columns of F that vary.
        source: Type that the features were computed in.
        dropped: Labels that were left out, since they have a single sample.
    """

    left: NDArray[np.float64]
    singular_values: NDArray[np.float64]
    loadings: NDArray[np.float64]
    targets: NDArray[np.int64]
    width: int
    source: np.dtype[np.floating]
    dropped: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of items."""
        return len(self.left)

    @property
    def classes(self) -> int:
        """Number of classes, K."""
        return len(self.loadings)

    @property
    def rank(self) -> int:
        """Number of components above the rounding of the source type."""
        return len(self.singular_values)

    @property
    def eta_squared(self) -> NDArray[np.float64]:
        """Share of each component's variance that lies between the classes, [r], 0 to 1."""
        shares: NDArray[np.float64] = np.square(self.loadings).sum(axis=0)
        return shares

    @property
    def variances(self) -> NDArray[np.float64]:
        """Eigenvalues l_i = s_i^2 / n of the covariance, [r]."""
        variances: NDArray[np.float64] = np.square(self.singular_values) / self.n
        return variances


def feature_spectrum(
    features: NDArray[np.floating], labels: NDArray[np.integer], *, standardize: bool = True
) -> FeatureSpectrum | Refusal:
    """Return the spectrum of features, or why they are too few to be scored.

    Classes with a single sample are left out. A column that varies by no more than the rounding of the source
    type counts as constant: it stays zero. Components are kept above s_1 max(n, D) eps of the source type;
    half precision would lose most of them, so there float32's eps is used, and scores without shrinkage are
    not to be trusted.

    Args:
        features: [N, D] of a float type; computed on in float64.
        labels: Classes [N], integers.
        standardize: Scale each column to variance 1 first. Scores with shrinkage need it: otherwise a few columns
            of large variance decide how much all others are shrunk. Raw scores do not depend on it.

    Raises:
        DataError: Shapes or types do not fit, or a feature is not finite.
    """
    check_features(features, labels, where="features")
    items = usable_items(labels)
    if isinstance(items, Refusal):
        return items
    eps = _rounding(features.dtype)
    columns = _centred(features[items.positions], eps, standardize=standardize)
    left, singular_values = _components(columns, min(eps, _rounding(np.dtype(np.float32))))
    return FeatureSpectrum(
        left=left,
        singular_values=singular_values,
        loadings=_class_loadings(left, items.targets, items.classes),
        targets=items.targets,
        width=int(np.count_nonzero(columns.any(axis=0))),
        source=features.dtype,
        dropped=items.dropped,
    )


def _rounding(dtype: np.dtype[np.floating]) -> float:
    return float(np.finfo(dtype).eps)


def _centred(features: NDArray[np.floating], eps: float, *, standardize: bool) -> NDArray[np.float64]:
    columns = features.astype(np.float64)
    rounding = eps * np.abs(columns).max(axis=0, initial=0.0)
    columns -= columns[0].copy()  # so that the mean of a constant column is exact
    columns -= columns.mean(axis=0)
    deviation = np.sqrt(np.square(columns).mean(axis=0))
    varies = deviation > rounding
    columns[:, ~varies] = 0.0
    if standardize:
        columns[:, varies] /= deviation[varies]
    return columns


def _components(columns: NDArray[np.float64], eps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    left, singular_values, _ = np.linalg.svd(columns, full_matrices=False)
    least = singular_values.max(initial=0.0) * max(columns.shape) * eps
    kept = singular_values > least
    return left[:, kept], singular_values[kept]


def _class_loadings(
    left: NDArray[np.float64], targets: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return Z^T U [K, r]: sums over the items of each class, divided by the root of their number."""
    sums = np.zeros((classes, left.shape[1]))
    np.add.at(sums, targets, left)
    counts = np.bincount(targets, minlength=classes)
    scaled: NDArray[np.float64] = sums / np.sqrt(counts)[:, None]
    return scaled
