"""What frozen features reach without any training of modules: the figure every method must beat.

Three classifiers, because one of them alone flatters every method: ridge regression, linear discriminant
analysis with shrinkage, logistic regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from warnings import catch_warnings, filterwarnings

import numpy as np

from edgecl.evaluation.scores import Score, is_dominated

FloatArray = np.ndarray[Any, np.dtype[np.floating[Any]]]
IntArray = np.ndarray[Any, np.dtype[np.integer[Any]]]

RIDGE_ALPHAS = np.logspace(-2, 5, 15)
LDA_SHRINKAGE = 0.1
LOGISTIC_C = 0.1
LOGISTIC_CHOICES = (0.01, 0.1, 1.0, 10.0)

_FOLDS = 3
_MAX_ITERATIONS = 2_000
_QUICK = 5e7
"""Largest items x width x classes that are cross-validated: some ten seconds on one core."""


@dataclass(frozen=True, slots=True)
class Floors:
    """Test accuracy of three classifiers on frozen features, in percent; balanced where one class dominates."""

    ridge: float
    lda: float
    logistic: float

    @property
    def best(self) -> float:
        """The highest of the three."""
        return max(self.ridge, self.lda, self.logistic)


def frozen_feature_floors(
    train_x: FloatArray, train_y: IntArray, test_x: FloatArray, test_y: IntArray
) -> Floors:
    """Return the test accuracies of `floor_predictions` against targets `test_y` [items]."""
    predicted = floor_predictions(train_x, train_y, test_x)
    dominated = is_dominated(test_y)
    return Floors(
        **{
            name: Score.of(labels, test_y).to_look_at(dominated=dominated)
            for name, labels in predicted.items()
        }
    )


def floor_predictions(train_x: FloatArray, train_y: IntArray, test_x: FloatArray) -> dict[str, IntArray]:
    """Return what ridge, LDA and logistic regression predict for the test items of one task, each [items].

    Ridge and logistic regression see features standardised by the training items. Ridge chooses its alpha by
    leave-one-out on them. Logistic regression chooses its C from 0.01, 0.1, 1 and 10 by stratified 3-fold
    cross-validation on them; C is 0.1 where a class has fewer than 3 training items, or items x width x
    classes exceed 5e7. LDA sees the features as they are (shrinkage 0.1, priors of the classes); with one
    item per class there is no scatter within classes to estimate, and the nearest item decides instead.

    Args:
        train_x: Features [items, width].
        train_y: Targets [items].
        test_x: Features [items, width].
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train_x, test_x = train_x.astype(np.float64), test_x.astype(np.float64)
    one_per_class = len(train_y) == len(np.unique(train_y))
    with small_problems():
        classifiers = {
            "ridge": make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=RIDGE_ALPHAS)),
            "lda": KNeighborsClassifier(n_neighbors=1)
            if one_per_class
            else LinearDiscriminantAnalysis(solver="lsqr", shrinkage=LDA_SHRINKAGE),
            "logistic": _logistic(_logistic_c(train_x, train_y)),
        }
        return {name: each.fit(train_x, train_y).predict(test_x) for name, each in classifiers.items()}


def _logistic(c: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=_MAX_ITERATIONS))


def _logistic_c(x: FloatArray, y: IntArray) -> float:
    """Return C, chosen on the training items [items, width] if that is quick."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < _FOLDS or x.size * len(classes) > _QUICK:
        return LOGISTIC_C
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    return max(LOGISTIC_CHOICES, key=lambda c: float(cross_val_score(_logistic(c), x, y, cv=folds).mean()))


@contextmanager
def small_problems() -> Iterator[None]:
    """Use one thread, since more would wait for each other, and accept small data without warnings."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no annotations

    with catch_warnings(), threadpool_limits(limits=1):
        filterwarnings("ignore", category=ConvergenceWarning)
        filterwarnings("ignore", message="Only one sample available")
        yield
