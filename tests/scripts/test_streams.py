"""The streams that ship can be read, and no task is there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl.streams import read_stream
from scripts.stream_runs import STREAMS, stream_names

TASKS = {
    "clinc-5": 10,
    "omniglot-5": 12,
    "omniglot-50": 50,
    "omniglot-choice": 9,
    "pacs": 4,
    "text": 11,
    "text-choice": 4,
    "vision": 8,
    "vision-choice": 5,
}


def test_no_stream_is_left_out_here() -> None:
    assert stream_names() == sorted(TASKS)


@pytest.mark.parametrize(("name", "count"), TASKS.items())
def test_a_stream_has_its_tasks_each_of_its_own_data(name: str, count: int) -> None:
    stream = read_stream(STREAMS / f"{name}.toml", data=Path("DATA"))
    assert (stream.name, len(stream.tasks)) == (name, count)
    assert len({task.data for task in stream.tasks}) == count


def test_recipes_are_chosen_on_other_alphabets_than_transfer_is_measured_on() -> None:
    measured, chosen = (
        {task.data for task in read_stream(STREAMS / f"{name}.toml").tasks}
        for name in ("omniglot-5", "omniglot-choice")
    )
    assert not measured & chosen
