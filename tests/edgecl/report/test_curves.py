"""Curves say what was measured, and nothing in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from edgecl.report import compare
from edgecl.report import curves as drawn
from tests.edgecl.report.factories import TASKS, make_ordered_run, make_plain_run, save_after


def test_no_line_leads_over_tasks_after_which_nothing_was_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0, 60.0)
    save_after(run, TASKS[2], dict(zip(TASKS, (50.0, 60.0, 60.0), strict=False)))
    painted: list[Any] = []
    monkeypatch.setattr(drawn, "draw", lambda paint, **_: painted.append(paint))
    drawn.accuracy_drawing(compare([run], []))
    figure = Figure()
    painted[0](figure)
    now = {line.get_label(): line for line in figure.axes[0].get_lines()}["run, now"]
    assert np.isnan(np.asarray(now.get_ydata(), np.float64)).tolist() == [False, True, False]


def test_the_drift_after_a_task_is_the_mean_over_those_before_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0, 60.0)
    for drift in ((0.0,), (0.2, 0.0), (0.4, 0.1, 0.0)):
        by_task = dict(zip(TASKS, drift, strict=False))
        save_after(run, TASKS[len(drift) - 1], dict.fromkeys(by_task, 60.0), drift=by_task)
    painted: list[Any] = []
    monkeypatch.setattr(drawn, "draw", lambda paint, **_: painted.append(paint))
    drawn.drift_drawing(compare([run], []))
    figure = Figure()
    painted[0](figure)
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_allclose(np.asarray(line.get_ydata(), np.float64), [np.nan, 0.2, 0.25])


@pytest.mark.parametrize(("order", "labels"), [(TASKS, ["best floor"]), (TASKS[::-1], [])])
def test_the_floor_is_a_line_only_where_all_arms_have_the_same_order(
    order: tuple[str, ...], labels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_ordered_run(tmp_path / "other", *order, seed=0 if order != TASKS else 1)
    painted: list[Any] = []
    monkeypatch.setattr(drawn, "draw", lambda paint, **_: painted.append(paint))
    drawn.accuracy_drawing(compare([make_ordered_run(tmp_path / "run", *TASKS), other]))
    figure = Figure()
    painted[0](figure)
    found = [line.get_label() for line in figure.axes[0].get_lines()]
    assert [label for label in found if label == "best floor"] == labels
