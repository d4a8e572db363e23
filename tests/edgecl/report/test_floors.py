from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecl.report import compare, report_to_json, summarize
from edgecl.report.floors import with_floors
from edgecl.report.measured import read_measured
from edgecl.report.numbers import Spread
from edgecl.report.rows import remarks
from edgecl.training.run import Run
from tests.edgecl.report.factories import make_floors, make_record, make_run

WIDE = {"rank": 32}


def make_lender(folder: Path, best: float = 60.0, *, seed: int = 0, **changes: Any) -> Run:
    """Return a run that measured the floors of its one task."""
    record = make_record("bolts", floors=make_floors(best), **changes)
    return make_run(folder, [record], seed=seed, method=WIDE)


def make_borrower(folder: Path, *, seed: int = 0) -> Run:
    """Return a run of other settings that measured none."""
    return make_run(folder, [make_record("bolts", floors={})], seed=seed)


def floor_with(borrower: Run, lender: Run) -> float | None:
    """Return the best floor of a run beside another one."""
    (run,) = with_floors([read_measured(borrower)], [read_measured(lender)])
    return run.task("bolts").best_floor


def test_a_run_without_floors_has_those_of_its_seed(tmp_path: Path) -> None:
    assert floor_with(make_borrower(tmp_path / "a"), make_lender(tmp_path / "b", 62.0)) == 62.0


def test_floors_of_another_seed_are_not_lent(tmp_path: Path) -> None:
    assert floor_with(make_borrower(tmp_path / "a"), make_lender(tmp_path / "b", seed=1)) is None


def test_floors_of_other_items_are_not_lent(tmp_path: Path) -> None:
    lender = make_lender(tmp_path / "b", data_fingerprint="1" * 64)
    assert floor_with(make_borrower(tmp_path / "a"), lender) is None


def test_floors_of_another_task_are_not_lent(tmp_path: Path) -> None:
    lender = make_run(tmp_path / "b", [make_record("leaves")])
    assert floor_with(make_borrower(tmp_path / "a"), lender) is None


def test_a_run_keeps_its_own_floors(tmp_path: Path) -> None:
    assert floor_with(make_lender(tmp_path / "a", 50.0), make_lender(tmp_path / "b", 62.0)) == 50.0


def test_floors_are_lent_in_the_measure_of_the_task(tmp_path: Path) -> None:
    borrower = make_run(tmp_path / "a", [make_record("bolts", floors={}, dominated=True)])
    assert floor_with(borrower, make_lender(tmp_path / "b", 62.0)) == 57.0


def test_every_arm_of_a_seed_has_the_gain_above_its_floor(tmp_path: Path) -> None:
    comparison = compare([make_borrower(tmp_path / "a"), make_lender(tmp_path / "b", 62.0)])
    gains = [summarize(arm, comparison).gain for arm in comparison.arms]
    assert gains == [Spread(18.0, None, 1), Spread(18.0, None, 1)]


def test_a_run_learned_alone_lends_too(tmp_path: Path) -> None:
    comparison = compare([make_borrower(tmp_path / "a")], [make_lender(tmp_path / "b", 62.0)])
    assert summarize(comparison.arms[0], comparison).floor == Spread(62.0, None, 1)


def test_lent_floors_are_told_apart_from_measured_ones(tmp_path: Path) -> None:
    comparison = compare([make_borrower(tmp_path / "a"), make_lender(tmp_path / "b")])
    summaries = [summarize(arm, comparison) for arm in comparison.arms]
    assert "Best floor of a: measured in another run of the same seed, on the same items." in remarks(
        summaries
    )
    arms = report_to_json(comparison, summaries)["arms"]
    tasks = [arm["runs"][0]["tasks"][0] for arm in arms]
    assert [task["best_floor"] for task in tasks] == [60.0, 60.0]
    assert [task["floors_from"] for task in tasks] == [str(tmp_path / "b"), None]


def test_a_seed_with_many_arms_counts_once_where_a_task_is_left_out(tmp_path: Path) -> None:
    runs = [
        make_borrower(tmp_path / "a-0"),
        make_lender(tmp_path / "b-0", 97.0),
        make_lender(tmp_path / "b-1", 92.0, seed=1),
    ]
    assert compare(runs).left_out == frozenset()
