"""What int8 costs is the mean over tasks and seeds, and the largest change goes either way."""

from __future__ import annotations

import pytest

from scripts.arms_tables import rounding_table
from scripts.measure_rounding import summary


def make_run(*scores: tuple[float, float]) -> dict[str, object]:
    """Return a run whose tasks have these scores in float16 and in int8."""
    return {
        "tasks": [
            {
                "items": 100,
                "labels_differ": 1,
                "float16": {"score": wide, "bytes": 2000},
                "int8": {"score": narrow, "bytes": 1100},
            }
            for wide, narrow in scores
        ]
    }


def test_the_cost_is_the_mean_over_tasks_and_seeds_with_its_error() -> None:
    found = summary([make_run((80.0, 79.5), (60.0, 60.0)), make_run((82.0, 82.0), (61.0, 61.7))])
    assert found["cost"]["points"] == pytest.approx(-0.05)
    assert found["cost"]["standard_error"] == pytest.approx(0.247, abs=1e-3)
    assert found["cost"]["largest"] == pytest.approx(0.7)
    assert found["float16"]["score"] == {"mean": 70.75, "sd": 1.061}
    assert (found["labels_differ"], found["items"], found["tasks"], found["seeds"]) == (4, 400, 2, 2)


def test_a_single_task_has_no_error_and_the_table_shows_none() -> None:
    of_stream = {"vision": {"summary": summary([make_run((80.0, 79.0))])}}
    (row,) = rounding_table(of_stream).splitlines()[2:]
    assert row == "| `vision` | 1 | 1 | 2 | 80.0 | 1 | 79.0 | +1.00 | 1.0 | 1 of 100 |"
