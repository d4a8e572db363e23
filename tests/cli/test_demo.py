from __future__ import annotations

from pathlib import Path

import pytest

from edgecl.cli.digits import MARKER, _empty, write_digits
from edgecl.errors import RunError
from edgecl.streams import load_task, read_stream
from edgecl_runtime import Runtime
from tests.cli.conftest import Call


def test_the_demo_learns_two_handwritten_digits_per_task(tmp_path: Path) -> None:
    stream = read_stream(write_digits(tmp_path / "data"))
    assert [spec.name for spec in stream.tasks] == [f"digits-{a}-{a + 1}" for a in (0, 2, 4, 6, 8)]
    data = [load_task(spec, seed=0) for spec in stream.tasks]
    assert [task.labels for task in data] == [(str(a), str(a + 1)) for a in (0, 2, 4, 6, 8)]
    assert sum(len(task.train) + len(task.test) for task in data) == 1797


def test_the_demo_tests_on_three_tenths_of_its_digits(tmp_path: Path) -> None:
    first = load_task(read_stream(write_digits(tmp_path / "data")).tasks[0], seed=0)
    assert len(first.test) / (len(first.train) + len(first.test)) == pytest.approx(0.3, abs=0.01)


def test_a_folder_of_an_earlier_demo_is_emptied(tmp_path: Path) -> None:
    _empty(tmp_path / "demo")
    (tmp_path / "demo" / "old").touch()
    _empty(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [MARKER]


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="is not empty and not an earlier demo. Choose another folder"):
        _empty(tmp_path)
    assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "mine"


@pytest.mark.demo
def test_the_demo_keeps_every_task_on_what_is_embedded(tmp_path: Path, call: Call) -> None:
    called = call("demo", "--out", tmp_path / "demo", "--json")
    assert called.code == 0, called.err
    result = called.json
    assert result["unchanged"] is True
    assert [len(arrival["accuracy"]) for arrival in result["arrivals"]] == [1, 2, 3, 4, 5]
    assert result["average_accuracy"] >= 95
    assert Path(result["example"]).is_file()
    assert result["air"]["received_bytes"] > result["pack_bytes"]
    assert Runtime.open(tmp_path / "demo" / "device").tasks == tuple(
        arrival["task"] for arrival in result["arrivals"]
    )
