"""Finished runs are published only for the tasks and items that were asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecl.errors import ConfigError, RunError
from edgecl.streams import TaskSpec, load_task
from edgecl.training.run import Run
from scripts.stream_runs import exit_code, read_settings, require_tasks, setting, stream_tasks, trained
from tests.edgecl.factories import make_text_data
from tests.edgecl.report.factories import make_record, make_run


@pytest.fixture
def tasks(tmp_path: Path) -> list[TaskSpec]:
    """Two tasks of 16 training items."""
    data = make_text_data(tmp_path / "pets.jsonl")
    return [TaskSpec(name=name, data=data, train_items=16) for name in ("pets", "strays")]


@pytest.fixture
def run(tasks: list[TaskSpec], tmp_path: Path) -> Run:
    """A run in which both are finished."""
    fingerprint = load_task(tasks[0], seed=0).fingerprint
    changes = {"data_fingerprint": fingerprint, "train_items": 16}
    records = [make_record(spec.name, place, **changes) for place, spec in enumerate(tasks)]
    return make_run(tmp_path / "run-0", records)


def test_a_run_of_what_was_asked_for_is_taken(run: Run, tasks: list[TaskSpec]) -> None:
    require_tasks(run, tasks)


def test_a_run_that_was_stopped_may_go_on(run: Run, tasks: list[TaskSpec]) -> None:
    require_tasks(run, [*tasks, TaskSpec(name="more", data=tasks[0].data)])


def test_another_order_is_refused(run: Run, tasks: list[TaskSpec]) -> None:
    with pytest.raises(RunError, match="run-0: found tasks in the order pets, strays, expected strays, pets"):
        require_tasks(run, tasks[::-1])


def test_a_task_that_was_not_asked_for_is_refused(run: Run, tasks: list[TaskSpec]) -> None:
    with pytest.raises(RunError, match="expected pets. Choose another folder"):
        require_tasks(run, tasks[:1])


def test_what_is_missing_is_not_trained_into_a_run_of_something_else(run: Run, tasks: list[TaskSpec]) -> None:
    asked = [*tasks[::-1], TaskSpec(name="more", data=tasks[0].data)]
    with pytest.raises(RunError, match="expected strays, pets, more"):
        trained(run.record.config, asked, run.folder)
    assert run.names == ("pets", "strays")


def test_another_number_of_training_items_is_refused(run: Run, tasks: list[TaskSpec]) -> None:
    fewer = [TaskSpec(name=spec.name, data=spec.data, train_items=8) for spec in tasks]
    with pytest.raises(RunError, match="task 'pets': found 16 training items, data .*, expected 8, "):
        require_tasks(run, fewer)


def test_other_data_at_the_same_place_are_refused(run: Run, tasks: list[TaskSpec]) -> None:
    make_text_data(tasks[0].data, items=40)
    with pytest.raises(RunError, match="task 'pets': found 16 training items, data .*, expected 16, "):
        require_tasks(run, tasks)


def test_settings_are_read_as_edgecl_reads_them() -> None:
    assert read_settings(["a.b=1", "c.d=x=y"]) == {"a.b": "1", "c.d": "x=y"}


@pytest.mark.parametrize("read", [setting, lambda text: read_settings([text])])
def test_a_setting_without_a_value_is_told(read: Callable[[str], object]) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="foo: expected KEY=VALUE"):
        read("foo")


def test_an_error_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ConfigError("not alike")

    assert exit_code(fail) == 2
    assert capsys.readouterr().err == "not alike\n"


def test_tasks_of_a_stream_are_chosen_by_name_in_its_order(tmp_path: Path) -> None:
    tasks = stream_tasks("pacs", tmp_path, only=["sketch", "photo"])
    assert [spec.name for spec in tasks] == ["photo", "sketch"]


def test_a_task_that_the_stream_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--only: found painting, expected tasks of pacs: "):
        stream_tasks("pacs", tmp_path, only=["sketch", "painting"])
