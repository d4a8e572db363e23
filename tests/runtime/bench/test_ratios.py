from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from edgecl_runtime.bench.ratios import STANDARD_ERROR, Ratio, compare


class FakeClock:
    """A clock that only cases move on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def case(self, seconds: Iterable[float]) -> Callable[[], None]:
        """Return a case that takes these times, one after the other, and the last one for ever."""
        times = list(seconds)

        def run() -> None:
            self.now += times.pop(0) if len(times) > 1 else times[0]

        return run


def test_a_ratio_is_taken_within_a_round() -> None:
    clock = FakeClock()
    slow = [9.0, *(2.0 * number for number in range(1, 10))]
    fast = [9.0, *(1.0 * number for number in range(1, 10))]
    cases = {"slow": clock.case(slow), "fast": clock.case(fast)}
    found = compare(cases, [("slow", "fast")], limit_s=1e9, clock=clock).ratios["slow / fast"]
    assert (found.median, found.low, found.high, found.rounds, found.capped) == (2, 2, 2, 9, False)


def test_the_first_run_of_a_case_does_not_count() -> None:
    clock = FakeClock()
    cases = {"cold": clock.case([1000, 1]), "warm": clock.case([1])}
    assert compare(cases, [("cold", "warm")], limit_s=1e9, clock=clock).milliseconds["cold"] == 1000


def test_rounds_are_added_until_the_ratio_is_known() -> None:
    clock = FakeClock()
    noise = np.random.default_rng(0).normal(1, 0.05, 5000)
    cases = {"noisy": clock.case(noise), "steady": clock.case([1])}
    found = compare(cases, [("noisy", "steady")], limit_s=1e9, clock=clock).ratios["noisy / steady"]
    assert (found.capped, found.standard_error < STANDARD_ERROR) == (False, True)
    assert 50 < found.rounds < 1000
    assert found.median == pytest.approx(1, abs=4 * STANDARD_ERROR)


def test_a_limit_ends_it_and_is_said() -> None:
    clock = FakeClock()
    noise = np.random.default_rng(0).normal(1, 0.3, 5000)
    cases = {"noisy": clock.case(noise), "steady": clock.case([1])}
    found = compare(cases, [("noisy", "steady")], limit_s=50, clock=clock).ratios["noisy / steady"]
    assert (found.capped, found.rounds) == (True, 26)


def test_the_standard_error_is_the_one_that_medians_have() -> None:
    random = np.random.default_rng(0)
    medians = [Ratio.of(random.normal(1, 0.1, 200)).median for _ in range(400)]
    expected = float(np.std(medians))
    assert Ratio.of(random.normal(1, 0.1, 200)).standard_error == pytest.approx(expected, rel=0.3)
