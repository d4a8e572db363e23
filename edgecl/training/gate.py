"""Whether a new task should start from modules that were learned before: asked of its own training items.

For each candidate the items' features are classified by shrunk LDA in cross-validation. A candidate is taken only
if it beats the untouched backbone by more than the noise of the paired comparison: a careless warm start costs more
than a good one gains. A few items say little, but what the tasks of a stream have in common shows in many of them:
gains of earlier tasks can be pooled with those of the new one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecl.evaluation.floors import small_problems
from edgecl.similarity import Similarity

SHRINKAGE = 0.5
MOST_FOLDS = 5
SMALLEST_ERROR = 1e-6
PER_CLASS = 10
"""Items of a class that are looked at, so that a task costs one forward pass of few items per candidate."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a candidate is worth on the items of the new task.

    Attributes:
        points: Cross-validated accuracy above that of the untouched backbone, percent points; where a score of
            transferability is the chooser, its difference in percent of the most that the score can be.
        error: Standard error of the paired difference, in the same unit; of accuracies at least that of one item
            that differs.
    """

    points: float
    error: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided about the start of a task.

    Attributes:
        parent: Earlier task that it starts from, the newest one of several; None for the identity.
        gains: What each proposal gained on the new task's items.
        evidence: What decided instead, where earlier tasks count too.
    """

    parent: str | None = None
    gains: Mapping[str, Gain] = field(default_factory=dict)
    evidence: Gain | None = None


def gate_items(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of the first items of each class, ascending."""
    rows = [np.flatnonzero(targets == label)[:PER_CLASS] for label in np.unique(targets)]
    return np.sort(np.concatenate(rows))


def fold_hits(features: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Return which items [N] are right when LDA is fitted without their fold; fold i holds item i of every class.

    None where each class has a single item: without it nothing is known of the class, and all would be missed.

    Args:
        features: [N, D].
        targets: [N]; a class of one item can only be missed.
    """
    folds = _folds(targets)
    if not folds.any():
        return None
    hits = np.zeros(len(targets), np.bool_)
    for fold in np.unique(folds):
        held_out = folds == fold
        classifier = _classifier(targets[~held_out])
        with small_problems():
            classifier.fit(features[~held_out].astype(np.float64), targets[~held_out])
        hits[held_out] = classifier.predict(features[held_out].astype(np.float64)) == targets[held_out]
    return hits


def gains(identity: NDArray[np.bool_], candidates: Mapping[str, NDArray[np.bool_]]) -> dict[str, Gain]:
    """Return what each candidate gains over the identity, from their hits [N] on the same items."""
    measured = {}
    for name, hits in candidates.items():
        difference = 100.0 * (hits.astype(np.float64) - identity)
        error = float(difference.std(ddof=1)) / len(difference) ** 0.5
        measured[name] = Gain(float(difference.mean()), max(error, 100.0 / len(difference)))
    return measured


def score_gains(identity: Similarity, candidates: Mapping[str, Similarity]) -> dict[str, Gain]:
    """Return what each candidate gains in a score of transferability, with the error of the paired subsamples.

    Points are percent of the most that an H-score can be, K - 1, so that tasks of few and of many classes agree.
    There are none where no item can be left out, or one class is all: the error would be infinite.

    Args:
        identity: Similarity of the untouched backbone's features.
        candidates: Of the features under each earlier task, on the same items and subsamples.
    """
    if identity.classes < 2 or not math.isfinite(identity.widening):
        return {}
    unit = 100.0 / (identity.classes - 1)
    measured = {}
    for name, similarity in candidates.items():
        difference = np.subtract(similarity.replicates, identity.replicates)
        error = identity.widening * float(np.std(difference))
        measured[name] = Gain(unit * (similarity.value - identity.value), unit * error)
    return measured


def pooled(measured: Sequence[Gain]) -> Gain:
    """Return the gain that several tasks show together: their mean, weighted by the inverse of the variances.

    The fixed-effect model of meta-analysis (Borenstein et al. 2009, chapter 11).

    Args:
        measured: One gain of each task, of finite error; one of them at least.
    """
    weights = np.array([max(gain.error, SMALLEST_ERROR) ** -2 for gain in measured])
    mean = float(weights @ [gain.points for gain in measured] / weights.sum())
    return Gain(mean, float(weights.sum() ** -0.5))


def choose_parent(
    measured: Mapping[str, Gain], *, margin: float, least: float, prefer: Literal["best", "newest"]
) -> str | None:
    """Return the candidate to start from; None: start afresh.

    Only candidates that gain more than `margin` standard errors, and more than `least` points, count. Of these the one
    that gains most is taken, or the newest of those that are not worse by more than a standard error: where items
    cannot tell candidates apart, the newest one carries what the chain of tasks before it has learned (the
    one-standard-error rule of Breiman et al. 1984, with the newest in the place of the simplest).

    Args:
        measured: What each candidate gains, in the order of training.
        margin: Standard errors by which it must beat a fresh start.
        least: Points by which it must; not negative.
        prefer: Which candidate is taken among those that are alike.
    """
    passing = {name: gain for name, gain in measured.items() if gain.points > max(least, margin * gain.error)}
    if not passing:
        return None
    best = max(passing, key=lambda each: passing[each].points)
    if prefer == "best":
        return best
    alike = passing[best].points - passing[best].error
    return [name for name, gain in passing.items() if gain.points >= alike][-1]


def _classifier(targets: NDArray[np.int64]) -> Any:
    """Return shrunk LDA; the nearest item where targets [N] leave it no scatter, or no second class."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import KNeighborsClassifier

    classes = len(np.unique(targets))
    if classes in {1, len(targets)}:
        return KNeighborsClassifier(n_neighbors=1)
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)


def _folds(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of every item: its number among those of its class, modulo the number of folds."""
    counts = np.bincount(targets)
    folds = max(2, min(MOST_FOLDS, int(counts[counts > 0].min())))
    number = np.zeros(len(targets), np.int64)
    for label in np.unique(targets):
        rows = targets == label
        number[rows] = np.arange(int(rows.sum()))
    return number % folds
