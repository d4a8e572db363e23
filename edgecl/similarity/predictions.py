"""LEEP: transferability from a source's own predictions, without its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError
from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PERMUTATIONS = 20
_LEAST_PER_SOURCE_CLASS = 2


def leep(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Return LEEP: the mean log-probability of the labels, predicted through the source's own classes; 0 at most.

    Args:
        probabilities: What the source's head says about each item, [n, Z], rows sum to 1.
        labels: Classes of the new task, [n].

    Raises:
        DataError: Shapes do not fit, there is no item, or a row is not a distribution.
    """
    check_probabilities(probabilities, labels, where="probabilities")
    source = probabilities.astype(np.float64)
    _, targets = np.unique(labels, return_inverse=True)
    # LEEP (Nguyen et al., 2020): P(y|z) from the joint distribution of labels and source classes.
    joint = np.zeros((targets.max() + 1, source.shape[1]))
    np.add.at(joint, targets, source)
    mass = joint.sum(axis=0)
    conditional = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0.0)
    predicted = (conditional[targets] * source).sum(axis=1)
    return float(np.log(predicted).mean())


def leep_score(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float | Refusal:
    """Return LEEP of predictions [n, Z], or why it says nothing about labels [n].

    Raises:
        DataError: As `leep`.
    """
    items, classes = probabilities.shape
    if len(np.unique(labels)) < 2:
        return Refusal(f"{items} samples of one class: there is nothing to tell apart")
    least = _LEAST_PER_SOURCE_CLASS * classes
    if items < least:
        return Refusal.too_few(
            f"{items} samples for the {classes} classes of the source are too few to count which labels each goes with",
            least=least,
        )
    return leep(probabilities, labels)


def leep_chance(probabilities: NDArray[np.floating], labels: NDArray[np.integer], *, seed: int) -> float:
    """Return the mean of LEEP over 20 permutations of the labels; it rises with the number of source classes.

    P(y|z) is fitted to the very items that are scored, so it exceeds minus the entropy of the labels.
    """
    random = np.random.default_rng([seed, 1])
    return float(np.mean([leep(probabilities, random.permutation(labels)) for _ in range(_PERMUTATIONS)]))


def check_probabilities(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], *, where: str
) -> None:
    """Do nothing for distributions [n, Z] and labels [n] of one item or more.

    Raises:
        DataError: They are something else; names `where`.
    """
    if probabilities.ndim != 2 or len(labels) == 0 or labels.shape != probabilities.shape[:1]:
        raise DataError.at(
            where,
            found=f"{list(probabilities.shape)} and labels {list(labels.shape)}",
            expected="[n, Z] and [n]",
            fix="Give one row of probabilities for each label.",
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    # Written so that NaN is refused, too. Half precision rounds a sum of 1,000 classes by less than 0.01.
    if not ((probabilities >= 0.0).all() and (np.abs(sums - 1.0) < 0.01).all()):
        raise DataError.at(
            where,
            found="rows that are no distributions",
            expected="numbers from 0 that sum to 1",
            fix="Apply the softmax to the scores of the head; if these are not finite, train the source again.",
        )
