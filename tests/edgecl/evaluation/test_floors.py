from __future__ import annotations

import numpy as np
import pytest

from edgecl.evaluation.floors import LOGISTIC_C, LOGISTIC_CHOICES, Floors, _logistic_c, frozen_feature_floors


def make_features(*, items: int, gap: float, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian clusters `gap` apart, [items, 8], and their targets."""
    random = np.random.default_rng(seed)
    targets = np.arange(items) % classes
    return random.normal(size=(items, 8)).astype(np.float32) + gap * np.eye(8)[targets], targets


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


def test_c_is_chosen_on_the_training_items_where_that_is_quick() -> None:
    train_x, train_y = make_features(items=90, gap=0.5, seed=0)
    assert _logistic_c(train_x, train_y) in LOGISTIC_CHOICES
    assert _logistic_c(train_x[:8], train_y[:8]) == LOGISTIC_C


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
