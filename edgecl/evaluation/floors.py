"""What frozen features reach without any training of modules: the figure every method must beat.

Three classifiers, because one of them alone flatters every method: ridge regression, linear discriminant
analysis with shrinkage, logistic regression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
LDA_CHOICES = (0.1, 0.3, 0.8)
"""Little where there are many items, much where classes have few."""
LOGISTIC_C = 0.1
LOGISTIC_CHOICES = (0.01, 0.1, 1.0, 10.0)

_FOLDS = 3
_MAX_ITERATIONS = 2_000
_QUICK = 5e7
"""Largest items x width x classes that are cross-validated: some ten seconds per classifier on one core."""


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
    dominated = is_dominated(test_y)
    predicted = floor_predictions(train_x, train_y, test_x, dominated=dominated)
    return Floors(
        **{
            name: Score.of(labels, test_y).to_look_at(dominated=dominated)
            for name, labels in predicted.items()
        }
    )


def floor_predictions(
    train_x: FloatArray, train_y: IntArray, test_x: FloatArray, *, dominated: bool
) -> dict[str, IntArray]:
    """Return what ridge, LDA and logistic regression predict for the test items of one task, each [items].

    Each is fitted for the measure to look at. Where that is balanced accuracy, ridge and logistic regression
    weigh items by one over the items of their class, and LDA takes all classes to be equally frequent.

    Ridge and logistic regression see features standardised by the training items, LDA the features as they
    are. Ridge chooses its alpha by the leave-one-out error on the training items (squared, weighted as in the
    fit: for two classes scikit-learn 1.9 cannot choose it by accuracy, it always takes the first). The C of
    logistic regression (0.01, 0.1, 1 or 10) and the shrinkage of LDA (0.1, 0.3 or 0.8) are chosen by stratified
    3-fold cross-validation on them; both are 0.1 where a class has fewer than 3 training items, or items x
    width x classes exceed 5e7. With one item per class there is no scatter within classes to estimate, and the
    nearest item decides instead of LDA.

    Args:
        train_x: Features [items, width].
        train_y: Targets [items].
        test_x: Features [items, width].
        dominated: Whether one class holds most of the test items, so that balanced accuracy is looked at.
    """
    train_x, test_x = train_x.astype(np.float64), test_x.astype(np.float64)
    with small_problems():
        classifiers = {
            "ridge": _ridge(dominated=dominated),
            "lda": _lda(train_x, train_y, dominated=dominated),
            "logistic": _logistic(train_x, train_y, dominated=dominated),
        }
        return {name: each.fit(train_x, train_y).predict(test_x) for name, each in classifiers.items()}


def _ridge(*, dominated: bool) -> Any:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weight = "balanced" if dominated else None
    return make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=RIDGE_ALPHAS, class_weight=weight))


def _lda(x: FloatArray, y: IntArray, *, dominated: bool) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import KNeighborsClassifier

    classes = len(np.unique(y))
    if len(y) == classes:
        return KNeighborsClassifier(n_neighbors=1)
    priors = np.full(classes, 1.0 / classes) if dominated else None
    candidates = {
        each: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=each, priors=priors) for each in LDA_CHOICES
    }
    return candidates[_choose(candidates, x, y, otherwise=LDA_SHRINKAGE, dominated=dominated)]


def _logistic(x: FloatArray, y: IntArray, *, dominated: bool) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weight = "balanced" if dominated else None
    candidates = {
        c: make_pipeline(
            StandardScaler(), LogisticRegression(C=c, class_weight=weight, max_iter=_MAX_ITERATIONS)
        )
        for c in LOGISTIC_CHOICES
    }
    return candidates[_choose(candidates, x, y, otherwise=LOGISTIC_C, dominated=dominated)]


def _choose(
    candidates: Mapping[float, Any], x: FloatArray, y: IntArray, *, otherwise: float, dominated: bool
) -> float:
    """Return the setting whose classifier is best in cross-validation on the training items; the first of equals.

    Args:
        candidates: Classifiers by setting.
        x: Features [items, width].
        y: Targets [items].
        otherwise: The setting where a class has too few items, or the choice would take long.
        dominated: Whether the best is that of balanced accuracy.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < _FOLDS or x.size * len(classes) > _QUICK:
        return otherwise
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    scoring = "balanced_accuracy" if dominated else "accuracy"
    scores = {
        each: float(cross_val_score(classifier, x, y, cv=folds, scoring=scoring).mean())
        for each, classifier in candidates.items()
    }
    return max(scores, key=lambda each: scores[each])


@contextmanager
def small_problems() -> Iterator[None]:
    """Use one thread, since more would wait for each other, and accept small data without warnings."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no annotations

    with catch_warnings(), threadpool_limits(limits=1):
        filterwarnings("ignore", category=ConvergenceWarning)
        filterwarnings("ignore", message="Only one sample available")
        yield
