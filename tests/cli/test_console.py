"""What people see on standard error while tasks are trained."""

from __future__ import annotations

import pytest

from edgecl.cli.output import TrainingConsole
from edgecl.training.gate import Gain
from tests.edgecl.report.factories import make_record


def test_a_finished_task_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingConsole() as console:
        console.finished(make_record("bolts"))
    assert capsys.readouterr().err == "bolts: 80.0 % on 20 test items, 10 s\n"


def test_where_one_class_dominates_the_line_has_the_balanced_accuracy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TrainingConsole() as console:
        console.finished(make_record("tiles", accuracy=90.0, balanced_accuracy=61.0, dominated=True))
    assert capsys.readouterr().err == "tiles: 61.0 % balanced on 20 test items, 10 s\n"


@pytest.mark.parametrize(
    ("parent", "evidence", "said"),
    [
        ("bolts", None, ", started from earlier tasks (newest: bolts)"),
        (
            "bolts",
            Gain(5.25, 1.0),
            ", started from earlier tasks (newest: bolts; +5.2 ± 1.0 points before training)",
        ),
        (None, Gain(-1.0, 2.0), ", started afresh (earlier tasks: -1.0 ± 2.0 points before training)"),
        (None, None, ""),
    ],
)
def test_the_line_of_a_task_says_where_it_started_and_why(
    capsys: pytest.CaptureFixture[str], parent: str | None, evidence: Gain | None, said: str
) -> None:
    with TrainingConsole() as console:
        console.finished(make_record("leaves", 1, parent=parent, parent_evidence=evidence))
    assert capsys.readouterr().err.endswith(f"10 s{said}\n")


@pytest.mark.parametrize(
    ("distances", "said"),
    [
        ({"bolts": 1.0, "nuts": 0.5}, ", guided by 2 earlier tasks"),
        ({}, ""),
    ],
)
def test_the_line_of_a_task_says_whether_others_guided_it(
    capsys: pytest.CaptureFixture[str], distances: dict[str, float], said: str
) -> None:
    with TrainingConsole() as console:
        console.finished(make_record("leaves", 2, guided_by=distances))
    assert capsys.readouterr().err.endswith(f"10 s{said}\n")


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What the console looks at."""
    clock = Clock()
    monkeypatch.setattr("edgecl.cli.output.monotonic", clock)
    return clock


def test_where_no_terminal_is_a_line_a_minute_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    with TrainingConsole() as console:
        for seconds in (30, 61, 90, 122):
            clock.now = 1000.0 + seconds
            console.testing("bolts", seconds, 500)
    assert capsys.readouterr().err.splitlines() == [
        "testing again after bolts, 61 of 500",
        "testing again after bolts, 122 of 500",
    ]


def test_a_task_that_was_told_of_a_moment_ago_breaks_no_silence(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    with TrainingConsole() as console:
        clock.now = 1061.0
        console.finished(make_record("bolts"))
        console.comparing("leaves", 1, 3)
    assert len(capsys.readouterr().err.splitlines()) == 1
