from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl.report.drawing import LONGEST_LABEL, numbered, short
from edgecl.report.numbers import Missing, Spread, deviation_known, mean_known, spread
from edgecl.report.rows import points, size

NAN = float("nan")


def test_a_number_that_no_run_has_says_why() -> None:
    assert spread([None, NAN], otherwise="not measured") == Missing("not measured")


def test_a_number_is_over_the_runs_that_have_it() -> None:
    assert spread([1.0, None, 3.0], otherwise="") == Spread(2.0, 2.0**0.5, 2)


def test_the_mean_is_over_what_is_known() -> None:
    values = np.array([[1.0, NAN, NAN], [3.0, 5.0, NAN]])
    np.testing.assert_array_equal(mean_known(values), [2.0, 5.0, NAN])


def test_the_deviation_of_a_single_number_is_zero() -> None:
    values = np.array([[1.0, NAN], [3.0, 5.0]])
    np.testing.assert_allclose(deviation_known(values), [2.0**0.5, 0.0])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_where_all_is_known_the_mean_is_the_mean(values: list[float]) -> None:
    assert float(mean_known(np.array(values))) == pytest.approx(float(np.mean(values)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (158_238, "158 kB"), (1_500_000, "1.5 MB"), (2e9, "2 GB"), (999_900, "1000 kB")],
)
def test_bytes_are_shown_to_three_digits(value: float, shown: str) -> None:
    assert size(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(-0.04, "+0.0"), (0.06, "+0.1"), (-3.0, "-3.0")])
def test_a_difference_has_a_sign_and_zero_is_positive(value: float, shown: str) -> None:
    assert points(value) == shown


@given(st.text())
def test_a_name_fits_beside_an_axis(name: str) -> None:
    assert len(short(name)) <= LONGEST_LABEL
    assert "\n" not in short(name)


def test_tasks_are_numbered_from_one() -> None:
    assert numbered(["bolts", "leaves"]) == ["bolts  1", "leaves  2"]
