from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecl.evaluation.matrix import (
    Matrix,
    anytime_accuracy,
    average_accuracy,
    backward_transfer,
    drift_of,
    forgetting,
    forgetting_by_task,
    forward_transfer,
    matrix_of,
    running_accuracy,
)
from tests.edgecl.report.factories import make_plain_run, make_record, make_run, save_after

NAN = float("nan")
FORGETS = np.array([[90.0, 95.0, 70.0], [NAN, 80.0, 60.0], [NAN, NAN, 50.0]])
"""Three tasks; the first gains before it loses."""

scores = st.floats(0, 100)
sizes = st.integers(2, 6)


def constant(rows: Matrix) -> Matrix:
    """Return a matrix whose rows do not change."""
    return np.where(np.tri(len(rows)).T > 0, rows[:, None], NAN)


matrices = sizes.flatmap(lambda size: arrays(np.float64, (size, size), elements=scores)).map(
    lambda full: np.where(np.tri(len(full)).T > 0, full, NAN)
)
constants = sizes.flatmap(lambda size: arrays(np.float64, size, elements=scores)).map(constant)


def test_average_accuracy_is_the_mean_after_the_last_task() -> None:
    assert average_accuracy(FORGETS) == 60.0


def test_running_accuracy_is_the_mean_over_the_tasks_so_far() -> None:
    assert running_accuracy(FORGETS).tolist() == [90.0, 87.5, 60.0]


def test_anytime_accuracy_is_the_mean_of_that_over_the_stream() -> None:
    assert anytime_accuracy(FORGETS) == pytest.approx((90.0 + 87.5 + 60.0) / 3)


def test_forgetting_is_what_is_lost_of_the_best_earlier_score() -> None:
    assert forgetting_by_task(FORGETS).tolist() == [25.0, 20.0]
    assert forgetting(FORGETS) == 22.5


def test_forgetting_is_negative_where_a_task_gained() -> None:
    assert forgetting(np.array([[70.0, 75.0], [NAN, 80.0]])) == -5.0


def test_backward_transfer_is_the_change_since_a_task_was_learned() -> None:
    assert backward_transfer(FORGETS) == ((70 - 90) + (60 - 80)) / 2


def test_scores_in_between_need_not_be_known_for_forgetting() -> None:
    known = np.array([[90.0, NAN, 70.0], [NAN, 80.0, 60.0], [NAN, NAN, 50.0]])
    assert forgetting(known) == 20.0


@pytest.mark.parametrize("measure", [average_accuracy, forgetting, backward_transfer, anytime_accuracy])
def test_a_mean_with_a_number_missing_is_not_given(measure: object) -> None:
    missing = np.array([[90.0, NAN], [NAN, 80.0]])
    assert callable(measure)
    assert np.isnan(measure(missing))


@pytest.mark.parametrize("measure", [forgetting, backward_transfer])
def test_a_single_task_forgets_nothing_that_could_be_measured(measure: object) -> None:
    assert callable(measure)
    assert np.isnan(measure(np.array([[90.0]])))


def test_tasks_that_do_not_count_are_left_out() -> None:
    counts = np.array([False, True, True])
    assert average_accuracy(FORGETS, counts=counts) == 55.0
    assert forgetting(FORGETS, counts=counts) == 20.0
    assert backward_transfer(FORGETS, counts=counts) == -20.0
    assert anytime_accuracy(FORGETS, counts=counts) == (80.0 + 55.0) / 2


@given(constants)
def test_what_does_not_change_is_not_forgotten(accuracy: Matrix) -> None:
    assert forgetting(accuracy) == 0.0
    assert backward_transfer(accuracy) == 0.0


@given(matrices)
def test_forgetting_is_never_less_than_the_loss_since_a_task_was_learned(accuracy: Matrix) -> None:
    assert forgetting(accuracy) >= -backward_transfer(accuracy) - 1e-9


@given(matrices)
def test_every_average_lies_between_the_scores(accuracy: Matrix) -> None:
    low, high = np.nanmin(accuracy) - 1e-9, np.nanmax(accuracy) + 1e-9
    assert low <= average_accuracy(accuracy) <= high
    assert low <= anytime_accuracy(accuracy) <= high


@given(matrices, st.floats(-50, 50))
def test_forgetting_does_not_depend_on_the_level(accuracy: Matrix, level: float) -> None:
    assert forgetting(accuracy + level) == pytest.approx(forgetting(accuracy), abs=1e-9)


def test_forward_transfer_is_over_all_tasks_but_the_first() -> None:
    measured = forward_transfer(np.array([50.0, 82.0, 74.0]), np.array([90.0, 80.0, 70.0]))
    assert (measured.points, measured.count) == (3.0, 2)
    assert measured.error == pytest.approx(1.0)


def test_forward_transfer_of_seeds_is_over_all_their_tasks() -> None:
    trained = np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]])
    measured = forward_transfer(trained, np.zeros((2, 3)))
    assert (measured.points, measured.count) == (2.5, 4)
    assert measured.error == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2)


def test_forward_transfer_leaves_out_what_does_not_count() -> None:
    counts = np.array([True, False, True])
    measured = forward_transfer(np.array([0.0, 9.0, 2.0]), np.zeros(3), counts=counts)
    assert (measured.points, measured.count) == (2.0, 1)
    assert np.isnan(measured.error)


@given(arrays(np.float64, (2, 4), elements=scores))
def test_what_is_learned_as_well_alone_transfers_nothing(trained: Matrix) -> None:
    assert forward_transfer(trained, trained).points == 0.0


def test_rows_of_what_was_shipped_are_constant(tmp_path: Path) -> None:
    found = matrix_of(make_plain_run(tmp_path / "run", 80.0, 70.0), "shipped")
    assert found.tasks == ("bolts", "leaves")
    np.testing.assert_array_equal(found.accuracy, [[80.0, 80.0], [NAN, 70.0]])
    assert found.unchanged == (None, None)


def test_what_was_tested_again_is_marked(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0, 60.0)
    save_after(run, "leaves", {"bolts": 80.0, "leaves": 70.0}, changed_tasks=["bolts"])
    save_after(run, "signs", {"bolts": 80.0, "leaves": 70.0})
    assert matrix_of(run, "shipped").unchanged == (False, True, None)


def test_what_would_be_shipped_now_is_known_where_it_was_tested(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0, 60.0)
    save_after(run, "signs", {"bolts": 75.0, "leaves": 68.0, "signs": 60.0})
    expected = [[80.0, NAN, 75.0], [NAN, 70.0, 68.0], [NAN, NAN, 60.0]]
    np.testing.assert_array_equal(matrix_of(run, "now").accuracy, expected)


def test_a_dominated_task_is_scored_by_its_balanced_accuracy(tmp_path: Path) -> None:
    records = [
        make_record("bolts", 0, dominated=True, accuracy=90.0, balanced_accuracy=55.0),
        make_record("leaves", 1, accuracy=70.0),
    ]
    run = make_run(tmp_path / "run", records)
    save_after(run, "leaves", {"bolts": 58.0, "leaves": 70.0})
    np.testing.assert_array_equal(matrix_of(run, "now").accuracy, [[55.0, 53.0], [NAN, 70.0]])


def test_drift_is_known_where_it_was_measured(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0)
    save_after(run, "leaves", {"bolts": 80.0}, drift={"bolts": 0.25})
    np.testing.assert_array_equal(drift_of(run), [[NAN, 0.25], [NAN, NAN]])
