from __future__ import annotations

import pytest

from edgecl_runtime.counters import WINDOW, Stage, Stages


def test_percentiles_are_in_milliseconds() -> None:
    stage = Stage()
    for number in range(101):
        stage.add(number / 1e3)
    found = stage.percentiles()
    assert found is not None
    assert (found.count, found.p50_ms, found.p95_ms, found.p99_ms) == pytest.approx((101, 50, 95, 99))


def test_only_the_last_calls_count() -> None:
    stage = Stage()
    for seconds in (9.0, *(0.001,) * WINDOW):
        stage.add(seconds)
    found = stage.percentiles()
    assert found is not None
    assert (found.count, found.p99_ms) == pytest.approx((WINDOW + 1, 1))


def test_stages_that_never_ran_are_left_out() -> None:
    stages = Stages()
    stages.run.add(0.5)
    assert list(stages.percentiles()) == ["run"]
