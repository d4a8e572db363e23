from __future__ import annotations

import numpy as np

from edgecl_runtime.heads import linear_scores, softmax


def test_scores_are_features_times_weight_plus_bias() -> None:
    features = np.array([[1, 2], [0, 1]], np.float32)
    weight = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    scores = linear_scores(features, weight, np.array([0, 0, 10], np.float32))
    np.testing.assert_array_equal(scores, np.array([[1, 2, 13], [0, 1, 11]], np.float32))
    assert scores.dtype == np.float32


def test_probabilities_sum_to_one_and_keep_the_order() -> None:
    probabilities = softmax(np.array([[0, 1, 2], [5, 5, 5]], np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert probabilities[0].argmax() == 2
    np.testing.assert_allclose(probabilities[1], 1 / 3, rtol=1e-6)


def test_huge_scores_do_not_overflow() -> None:
    probabilities = softmax(np.array([[1e30, 0], [-1e30, 0]], np.float32))
    np.testing.assert_array_equal(probabilities, np.array([[1, 0], [0, 1]], np.float32))


def test_no_rows_are_no_rows() -> None:
    assert softmax(np.empty((0, 3), np.float32)).shape == (0, 3)
