from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.edgecl.report.factories import (
    FINGERPRINT,
    make_floors,
    make_plain_run,
    make_record,
    make_run,
    save_after,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two tasks, tested again after the last one."""
    made = make_plain_run(tmp_path / "plain-0", 80.0, 70.0)
    save_after(made, "leaves", {"bolts": 76.0, "leaves": 70.0}, drift={"bolts": 0.5, "leaves": 0.0})
    return made.folder


def test_the_page_and_the_summary_are_printed(run: Path, tmp_path: Path, call: Call) -> None:
    called = call("report", run, "--out", tmp_path / "report")
    lines = [" ".join(line.split()) for line in called.out.splitlines()]
    assert (called.code, called.err) == (0, "")
    assert lines[:4] == [
        f"{tmp_path}/report/report.html",
        "Averages over 2 of 2 tasks",
        "plain",
        "score, % 75.0",
    ]
    assert "forgetting, now +4.0" in lines
    assert "No deviation for plain: one seed." in lines
    assert (tmp_path / "report" / "report.html").is_file()


def test_where_no_task_counts_it_is_said_where_the_scores_are(tmp_path: Path, call: Call) -> None:
    solved = make_run(tmp_path / "solved", [make_record("bolts", floors=make_floors(99.0))]).folder
    called = call("report", solved, "--out", tmp_path / "report")
    assert "the floor of every task is above 95 %" in called.out
    assert "Scores of single tasks: in the table of tasks on the page" in called.out


def test_json_holds_all_numbers(run: Path, tmp_path: Path, call: Call) -> None:
    found = call("report", run, "--out", tmp_path / "report", "--json").json
    (arm,) = found["arms"]
    assert found["page"] == str(tmp_path / "report" / "report.html")
    assert (found["tasks"], found["left_out"]) == (["bolts", "leaves"], [])
    assert found["backbone"] == {"source": "/models/vit", "fingerprint": FINGERPRINT}
    assert arm["score"] == {"mean": 75.0, "deviation": None, "runs": 1}
    assert arm["forgetting_now"] == {"mean": 4.0, "deviation": None, "runs": 1}
    assert (arm["transfer"], arm["seeds"]) == (None, [0])
    assert arm["missing"] == {
        "transfer": "no run with every task learned alone was given (--alone)",
        "class_incremental": "not measured for every task (a peer that keeps nothing, or evaluation.class_incremental)",
        "domain_incremental": "not measured for every task (evaluation.class_incremental), "
        "or the classes are not the same",
    }
    assert arm["verified_unchanged"] == ["bolts", "leaves"]


def test_json_holds_the_matrices_of_every_run(run: Path, tmp_path: Path, call: Call) -> None:
    called = call("report", run, "--out", tmp_path / "report", "--json")
    (found,) = called.json["arms"][0]["runs"]
    assert found["shipped"] == [[80.0, 80.0], [None, 70.0]]
    assert found["now"] == [[80.0, 76.0], [None, 70.0]]
    assert found["drift"] == [[None, 0.5], [None, 0.0]]
    assert [task["score"] for task in found["tasks"]] == [80.0, 70.0]
    assert found["settings"]["method"]["rank"] == 16


def test_forward_transfer_needs_runs_learned_alone(run: Path, tmp_path: Path, call: Call) -> None:
    alone = make_plain_run(tmp_path / "alone", 80.0, 68.5, method={"alone": True}).folder
    called = call("report", run, "--alone", alone, "--out", tmp_path / "report", "--json")
    assert called.json["arms"][0]["transfer"] == {
        "mean": 1.5,
        "standard_error": None,
        "standard_error_over_seeds": None,
        "differences": 1,
        "seeds": 1,
    }
    assert called.json["alone"] == [str(alone)]


def test_several_seeds_and_arms_are_given_at_once(run: Path, tmp_path: Path, call: Call) -> None:
    again = make_plain_run(tmp_path / "plain-1", 82.0, 70.0, seed=1).folder
    wide = make_plain_run(tmp_path / "wide-0", 82.0, 70.0, method={"rank": 32}).folder
    called = call("report", run, again, wide, "--out", tmp_path / "report", "--json")
    assert [(arm["arm"], arm["seeds"]) for arm in called.json["arms"]] == [("plain", [0, 1]), ("wide", [0])]


def test_1_a_folder_that_is_no_run(tmp_path: Path, call: Call) -> None:
    called = call("report", tmp_path, "--out", tmp_path / "report")
    assert (called.code, called.out) == (1, "")
    assert "not a run" in called.err
    assert not (tmp_path / "report").exists()


def test_2_runs_that_are_not_alike(run: Path, tmp_path: Path, call: Call) -> None:
    other = make_plain_run(tmp_path / "other", 80.0, method={"rank": 4}).folder
    called = call("report", run, other, "--out", tmp_path / "report")
    assert (called.code, called.out) == (2, "")
    assert "'leaves' missing" in called.err
    assert "Compare like with like" in called.err
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("arguments", [[], ["--out", "report"], ["run"]])
def test_2_wrong_usage(arguments: list[str], call: Call) -> None:
    called = call("report", *arguments)
    assert (called.code, called.out) == (2, "")
    assert "Usage: edgecl report" in called.err


@pytest.mark.slow
def test_nothing_is_left_in_the_home_of_who_runs_it(run: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    dropped = ("MPLCONFIGDIR", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    subprocess.run(
        [sys.executable, "-c", "from edgecl.cli import main; main()", "report", run, "--out", "out"],
        cwd=tmp_path,
        env=environment | {"HOME": str(home)},
        check=True,
        capture_output=True,
    )
    assert list(home.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["figures", "report.html"]
