"""Which items a score is computed from: classes that can be scored, and draws that keep their proportions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError
from edgecl.similarity.refusal import Refusal
from edgecl.streams.splits import proportional_subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_ITEMS, ITEMS_PER_CLASS, MOST_ITEMS = 1000, 50, 4000
LEAST_PER_CLASS = 2


@dataclass(frozen=True, slots=True, eq=False)
class UsableItems:
    """The items of the classes that have two samples or more.

    Attributes:
        positions: Ascending, among the items given, [n] int64.
        targets: Their classes, numbered from 0 without a gap, [n] int64.
        classes: How many classes there are, K.
        dropped: Labels with a single sample, ascending.
    """

    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    classes: int
    dropped: tuple[int, ...]


def usable_items(labels: NDArray[np.integer]) -> UsableItems | Refusal:
    """Return the items of labels [N] that can be scored, or why there are too few of them."""
    found, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(labels) < LEAST_PER_CLASS * len(found) or not (counts >= LEAST_PER_CLASS).any():
        return Refusal(
            f"{len(labels)} samples of {len(found)} classes say nothing about transfer: "
            f"it takes {LEAST_PER_CLASS} per class at least, {LEAST_PER_CLASS * max(1, len(found))} in all"
        )
    positions = np.flatnonzero(counts[codes] >= LEAST_PER_CLASS)
    kept, targets = np.unique(codes[positions], return_inverse=True)
    dropped = tuple(int(label) for label in found[counts < LEAST_PER_CLASS])
    return UsableItems(positions, targets.astype(np.int64), len(kept), dropped)


def check_features(features: NDArray[np.floating], labels: NDArray[np.integer], *, where: str) -> None:
    """Do nothing for features [n, D] of a float type, all finite, and integer labels [n].

    Raises:
        DataError: They are something else; names `where`.
    """
    shapes = (
        f"features {list(features.shape)} {features.dtype} and labels {list(labels.shape)} {labels.dtype}"
    )
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise DataError.at(
            where, found=shapes, expected="[n, D] and [n]", fix="Give one row of features for each label."
        )
    if features.dtype.kind != "f" or labels.dtype.kind not in "iu":
        raise DataError.at(
            where,
            found=shapes,
            expected="a float type and integers",
            fix="Give features as the backbone computed them, and the number of each item's class.",
        )
    broken = int(np.count_nonzero(~np.isfinite(features).all(axis=1)))
    if broken:
        raise DataError.at(
            where,
            found=f"NaN or infinity in {broken} of {len(features)} rows",
            expected="finite features",
            fix="Compute them in a wider type, or train the source again: it diverged.",
        )


def draw_items(labels: NDArray[np.integer], *, seed: int) -> NDArray[np.int64]:
    """Return the ascending positions of a stratified draw: min(all, max(1000, 50 K), 4000) of the items.

    Where that would leave less than two items per class, 2 K are drawn. A class that has two items keeps two, however
    small its share is.
    """
    classes = len(np.unique(labels))
    wanted = max(min(max(LEAST_ITEMS, ITEMS_PER_CLASS * classes), MOST_ITEMS), LEAST_PER_CLASS * classes)
    if wanted >= len(labels):
        return np.arange(len(labels))
    names = [str(label) for label in labels.tolist()]
    drawn = np.array(proportional_subset(names, count=wanted, seed=seed), dtype=np.int64)
    return _with_pairs(labels, drawn, seed=seed)


def _with_pairs(labels: NDArray[np.integer], drawn: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Return a draw of as many items, with two of each class that has two; the largest classes make room."""
    found, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quotas = np.bincount(codes[drawn], minlength=len(found))
    raised = np.maximum(quotas, np.minimum(counts, LEAST_PER_CLASS))
    if (raised == quotas).all():
        return drawn
    while raised.sum() > len(drawn):
        raised[raised.argmax()] -= 1
    # The items of a class are drawn without regard to the others, so one by one the classes keep what they had.
    positions = [np.flatnonzero(codes == code) for code in range(len(found))]
    kept = [
        each[list(proportional_subset([str(label)] * len(each), count=int(count), seed=seed))]
        for label, each, count in zip(found.tolist(), positions, raised, strict=True)
    ]
    return np.sort(np.concatenate(kept))


def draw_subsample(
    targets: NDArray[np.integer], *, fraction: float, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the ascending positions of a fraction of each class, two at least, drawn without replacement."""
    drawn = []
    for target in np.unique(targets):
        positions = np.flatnonzero(targets == target)
        count = max(LEAST_PER_CLASS, int(fraction * len(positions) + 0.5))
        drawn.append(random.choice(positions, size=min(count, len(positions)), replace=False))
    return np.sort(np.concatenate(drawn))
