from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from edgecl.evaluation.floors import (
    LDA_SHRINKAGE,
    LOGISTIC_C,
    Floors,
    _choose,
    _lda,
    _logistic,
    _ridge,
    floor_predictions,
    frozen_feature_floors,
)
from edgecl.evaluation.scores import Score


def make_features(*, items: int, gap: float, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian clusters `gap` apart, [items, 8], and their targets."""
    random = np.random.default_rng(seed)
    targets = np.arange(items) % classes
    return random.normal(size=(items, 8)).astype(np.float32) + gap * np.eye(8)[targets], targets


def make_dominated(*, seed: int, rare: int = 8, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return overlapping clusters, [items, 40], of 120 items of class 0 and `rare` of each other; targets."""
    random = np.random.default_rng(seed)
    targets = np.repeat(np.arange(classes), [120, *[rare] * (classes - 1)])
    return random.normal(size=(len(targets), 40)) + 2.0 * np.eye(40)[targets], targets


def make_thin(*, items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two classes, [items, 2], told apart by a difference of columns that vary together; targets."""
    random = np.random.default_rng(seed)
    targets = np.arange(items) % 2
    first = random.normal(size=items)
    return np.stack([first, first + 0.05 * (2 * targets - 1)], axis=1), targets


def make_few(*, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `per_class` items of each of 20 overlapping classes, [items, 60], and their targets."""
    targets = np.tile(np.arange(20), per_class)
    noise = np.random.default_rng(0).normal(size=(len(targets), 60))
    return noise + 1.5 * np.eye(60)[targets], targets


def test_separate_classes_are_told_apart() -> None:
    floors = frozen_feature_floors(
        *make_features(items=90, gap=20.0, seed=0), *make_features(items=60, gap=20.0, seed=1)
    )
    assert floors == Floors(ridge=100.0, lda=100.0, logistic=100.0)


def test_noise_is_near_chance() -> None:
    floors = frozen_feature_floors(
        *make_features(items=300, gap=0.0, seed=0), *make_features(items=600, gap=0.0, seed=1)
    )
    assert 23.0 < floors.best < 43.0


def test_the_best_is_the_highest_of_three() -> None:
    assert Floors(ridge=70.0, lda=72.5, logistic=71.0).best == 72.5


def test_accuracy_is_in_percent_of_the_test_items() -> None:
    train_x, train_y = make_features(items=90, gap=20.0, seed=0)
    test_x, test_y = make_features(items=4, gap=20.0, seed=1)
    floors = frozen_feature_floors(train_x, train_y, test_x, np.where(np.arange(4) == 0, 2 - test_y, test_y))
    assert floors.ridge == pytest.approx(75.0)


def test_one_item_per_class_and_constant_columns_are_enough() -> None:
    train_y = np.arange(3)
    train_x = np.eye(8, dtype=np.float32)[train_y]
    assert frozen_feature_floors(train_x, train_y, train_x, train_y) == Floors(100.0, 100.0, 100.0)


def test_a_single_item_of_one_class_gives_no_warning() -> None:
    train_x, train_y = make_features(items=10, gap=20.0, seed=0)
    keep = np.concatenate([np.flatnonzero(train_y != 2), np.flatnonzero(train_y == 2)[:1]])
    floors = frozen_feature_floors(train_x[keep], train_y[keep], train_x, train_y)
    assert floors.best == 100.0


def test_c_is_chosen_on_the_training_items() -> None:
    assert _logistic(*make_thin(items=90, seed=0), dominated=False)[-1].C == 10.0


def test_c_is_not_chosen_where_a_class_has_fewer_than_three_items() -> None:
    train_x, train_y = make_thin(items=90, seed=0)
    keep = np.concatenate([np.flatnonzero(train_y == 0), np.flatnonzero(train_y == 1)[:2]])
    assert _logistic(train_x[keep], train_y[keep], dominated=False)[-1].C == LOGISTIC_C


def test_c_is_not_chosen_where_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    train_x, train_y = make_thin(items=90, seed=0)
    monkeypatch.setattr("edgecl.evaluation.floors._QUICK", 2 * train_x.size - 1)
    assert _logistic(train_x, train_y, dominated=False)[-1].C == LOGISTIC_C


def test_shrinkage_is_chosen_on_the_training_items() -> None:
    assert _lda(*make_thin(items=90, seed=0), dominated=False).shrinkage == 0.1
    assert _lda(*make_few(per_class=5), dominated=False).shrinkage > 0.1


def test_shrinkage_is_not_chosen_where_a_class_has_fewer_than_three_items() -> None:
    train_x, train_y = make_few(per_class=5)
    keep = np.concatenate([np.flatnonzero(train_y != 0), np.flatnonzero(train_y == 0)[:2]])
    assert _lda(train_x[keep], train_y[keep], dominated=False).shrinkage == LDA_SHRINKAGE


@pytest.mark.parametrize("classes", [2, 3])
def test_where_one_class_dominates_every_classifier_is_fitted_for_balanced_accuracy(classes: int) -> None:
    train_x, train_y = make_dominated(seed=0, classes=classes)
    test_x, test_y = make_dominated(seed=1, rare=100, classes=classes)
    for_all, for_classes = (
        floor_predictions(train_x, train_y, test_x, dominated=dominated) for dominated in (False, True)
    )
    for name, labels in for_classes.items():
        plain = Score.of(for_all[name], test_y).balanced_accuracy
        assert Score.of(labels, test_y).balanced_accuracy > plain + 5.0, name


def test_a_single_item_of_one_class_is_enough_where_another_dominates() -> None:
    train_x, train_y = make_features(items=30, gap=20.0, seed=0)
    keep = np.concatenate([np.flatnonzero(train_y == 0), [1, 2]])
    predicted = floor_predictions(train_x[keep], train_y[keep], train_x, dominated=True)
    assert all((labels == train_y).all() for labels in predicted.values())


def test_the_targets_of_the_test_items_say_what_the_classifiers_are_fitted_for() -> None:
    train_x, train_y = make_dominated(seed=0)
    test_x, test_y = make_dominated(seed=1)
    predicted = floor_predictions(train_x, train_y, test_x, dominated=True)
    balanced = {name: Score.of(labels, test_y).balanced_accuracy for name, labels in predicted.items()}
    assert frozen_feature_floors(train_x, train_y, test_x, test_y) == Floors(**balanced)


def test_settings_are_chosen_by_balanced_accuracy_where_one_class_dominates() -> None:
    train_x, train_y = make_dominated(seed=0, classes=2)
    candidates = {0.0: DummyClassifier(), 1.0: LogisticRegression(class_weight="balanced")}
    for dominated in (False, True):
        assert _choose(candidates, train_x[:, :1], train_y, otherwise=2.0, dominated=dominated) == dominated


def test_ridge_chooses_its_alpha_for_two_classes_too() -> None:
    assert _ridge(dominated=True).fit(*make_dominated(seed=0, classes=2))[-1].alpha_ > 1.0


def test_the_same_features_give_the_same_floors() -> None:
    parts = (*make_features(items=60, gap=1.0, seed=0), *make_features(items=60, gap=1.0, seed=1))
    assert frozen_feature_floors(*parts) == frozen_feature_floors(*parts)


def test_the_scale_of_a_column_does_not_matter_to_ridge_and_logistic_regression() -> None:
    scale = np.logspace(-3, 3, 8)
    train_x, train_y = make_features(items=60, gap=1.0, seed=0)
    test_x, test_y = make_features(items=60, gap=1.0, seed=1)
    plain = frozen_feature_floors(train_x, train_y, test_x, test_y)
    scaled = frozen_feature_floors(train_x * scale, train_y, test_x * scale, test_y)
    assert (scaled.ridge, scaled.logistic) == pytest.approx((plain.ridge, plain.logistic), abs=2.0)


def test_where_one_class_dominates_floors_are_balanced() -> None:
    train_x, train_y = make_features(items=90, gap=20.0, seed=0)
    test_x, test_y = make_features(items=30, gap=20.0, seed=1)
    kept = [*np.flatnonzero(test_y == 0).tolist(), int(np.flatnonzero(test_y == 1)[0])]
    wrong = np.where(test_y == 1, 2, test_y)
    floors = frozen_feature_floors(train_x, train_y, test_x[kept], wrong[kept])
    assert floors.best == pytest.approx(50.0)
