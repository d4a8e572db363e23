from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.errors import DataError
from edgecl.similarity import ahp_ratio, ahp_winrate, principal_eigenvector
from edgecl.similarity.distances import priority_distances

SAATY = np.array([[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]])

scores = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8).map(np.array)


@given(scores)
def test_the_eigenvector_of_ratios_is_the_share_of_each_score(values: np.ndarray) -> None:
    priorities = principal_eigenvector(values[:, None] / values)
    np.testing.assert_allclose(priorities.weights, values / values.sum(), rtol=1e-12)
    assert priorities.lambda_max == pytest.approx(len(values), abs=1e-9)
    assert priorities.consistency_index == pytest.approx(0.0, abs=1e-9)


@given(scores)
def test_the_shortcut_for_ratios_is_the_eigenvector(values: np.ndarray) -> None:
    expected = principal_eigenvector(values[:, None] / values).weights
    np.testing.assert_allclose(ahp_ratio(values, classes=10), expected, rtol=1e-12)


def test_saatys_example_has_its_known_priorities() -> None:
    priorities = principal_eigenvector(SAATY)
    assert priorities.weights == pytest.approx([0.636986, 0.258285, 0.104729], abs=1e-6)
    assert priorities.lambda_max == pytest.approx(3.038511, abs=1e-6)
    assert priorities.consistency_index == pytest.approx(0.019256, abs=1e-6)
    assert priorities.consistency_ratio == pytest.approx(0.033199, abs=1e-6)


def test_three_things_have_the_geometric_means_of_their_rows() -> None:
    means = SAATY.prod(axis=1) ** (1 / 3)
    np.testing.assert_allclose(principal_eigenvector(SAATY).weights, means / means.sum(), rtol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_things_that_are_alike_have_equal_priorities(count: int) -> None:
    priorities = principal_eigenvector(np.ones((count, count)))
    np.testing.assert_allclose(priorities.weights, 1.0 / count)
    assert [priorities.consistency_index, priorities.consistency_ratio] == pytest.approx([0.0, 0.0])


@given(scores, st.floats(0.1, 10.0))
def test_the_scale_of_the_scores_does_not_matter(values: np.ndarray, factor: float) -> None:
    np.testing.assert_allclose(ahp_ratio(factor * values, classes=2), ahp_ratio(values, classes=2))


@given(st.permutations(range(3)))
def test_naming_things_differently_permutes_their_priorities(order: list[int]) -> None:
    permuted = principal_eigenvector(SAATY[np.ix_(order, order)])
    np.testing.assert_allclose(permuted.weights, principal_eigenvector(SAATY).weights[order], rtol=1e-9)


def test_scores_at_or_below_zero_count_as_a_millionth_of_the_largest() -> None:
    assert ahp_ratio(np.array([-0.3, 0.0, 1.0]), classes=11) == pytest.approx([1e-5, 1e-5, 1.0], rel=1e-4)


def test_ratios_of_nine_tasks_leave_seven_percent_of_contrast() -> None:
    distances = priority_distances(ahp_ratio(np.linspace(1.0, 2.0, 9), classes=10))
    assert 1.0 - distances.min() / distances.max() == pytest.approx(1.0 - np.exp(-1.0 / 13.5))
    assert 1.0 - distances.min() / distances.max() == pytest.approx(0.071397, abs=1e-6)


def test_who_always_wins_outweighs_the_other_99_times() -> None:
    priorities = ahp_winrate(np.array([[2.0, 3.0], [0.0, 1.0]]))
    assert priorities.weights == pytest.approx([0.99, 0.01])


def test_a_tie_counts_half() -> None:
    priorities = ahp_winrate(np.array([[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]]))
    assert priorities.weights == pytest.approx([0.75, 0.25])


def test_sources_that_cannot_be_told_apart_have_equal_priorities() -> None:
    np.testing.assert_allclose(ahp_winrate(np.ones((4, 20))).weights, 0.25)


@pytest.mark.parametrize(
    "matrix", [np.ones((2, 3)), np.ones(4), np.zeros((2, 2)), np.full((2, 2), np.nan), np.ones((0, 0))]
)
def test_a_matrix_that_compares_nothing_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected a positive matrix"):
        principal_eigenvector(matrix)


def test_scores_of_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="0 scores of a task of 3 classes"):
        ahp_ratio(np.array([]), classes=3)
    with pytest.raises(DataError, match="1 scores of a task of 1 classes"):
        ahp_ratio(np.array([1.0]), classes=1)
    with pytest.raises(DataError, match="found shape"):
        ahp_winrate(np.ones((2, 0)))
