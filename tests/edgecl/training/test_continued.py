"""A run is continued with the stream that it was begun with, or a longer one, and with nothing that contradicts it."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from edgecl.config import RunConfig
from edgecl.errors import RunError
from edgecl.training.run import Run
from edgecl.training.train import train_stream
from tests.edgecl.factories import Recorder, make_config, make_image_data, make_image_folder, make_spec
from tests.edgecl.streams.factories import make_folders


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return make_config(make_image_folder(tmp_path / "vit"), epochs=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def train(config: RunConfig, folder: Path, data: Path, *names: str) -> Run:
    specs = [make_spec(data, name=name) for name in names or ("shade",)]
    return train_stream(config, specs, folder, report=Recorder())


def test_a_finished_task_whose_data_moved_is_kept_with_a_warning(
    tmp_path: Path, config: RunConfig, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(config, tmp_path / "run", data)
    with caplog.at_level(logging.WARNING):
        train(config, tmp_path / "run", tmp_path / "elsewhere.npz")
    assert f"task 'shade' is finished and kept as trained on {data}" in caplog.text


def test_a_run_is_not_continued_in_another_order(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, tmp_path / "run", data, "first", "second")
    with pytest.raises(
        RunError, match="learned in the order first, second, expected second, first, third, as the"
    ):
        train(config, tmp_path / "run", data, "second", "first", "third")


@pytest.mark.parametrize("fewer", [{"train_items": 6}, {"train_items_per_class": 2}])
def test_a_run_is_not_continued_with_fewer_items(
    tmp_path: Path, config: RunConfig, data: Path, fewer: dict[str, int]
) -> None:
    seven = msgspec.structs.replace(make_spec(data, name="first"), train_items=7)
    train_stream(config, [seven], tmp_path / "run", report=Recorder())
    tasks = [msgspec.structs.replace(make_spec(data, name=name), **fewer) for name in ("first", "second")]
    with pytest.raises(RunError, match="task 'first': found 7 training items, expected 6 at most"):
        train_stream(config, tasks, tmp_path / "run", report=Recorder())


def test_a_task_is_not_put_before_those_that_are_finished(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", data, "first")
    with pytest.raises(RunError, match="order first, expected new, first, as .* Put new tasks last"):
        train(config, tmp_path / "run", data, "new", "first")


def test_a_stream_may_leave_out_what_its_run_has_learned(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", data, "first", "second")
    run = train(config, tmp_path / "run", data, "second", "third")
    assert run.names == ("first", "second", "third")


def test_a_finished_task_of_other_classes_is_not_taken_for_the_one_that_is_asked_for(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    labels = train(config, tmp_path / "run", data, "first").task("first").labels
    others = msgspec.structs.replace(make_spec(data, name="first"), classes=(labels[0], "another"))
    with pytest.raises(RunError, match=f"classes {', '.join(labels)}, expected {labels[0]}, another"):
        train_stream(config, [others], tmp_path / "run", report=Recorder())


def test_classes_are_the_same_however_their_accents_are_spelled(tmp_path: Path, config: RunConfig) -> None:
    folders, composed, decomposed = tmp_path / "leaves", "M\u00fcll", "Mu\u0308ll"
    make_folders(folders, dict.fromkeys((decomposed, "b"), 6))
    spec = msgspec.structs.replace(make_spec(folders, name="first"), classes=(decomposed, "b"))
    train_stream(config, [spec], tmp_path / "run", report=Recorder())
    again = train_stream(config, [spec], tmp_path / "run", report=Recorder())
    assert set(again.task("first").labels) == {composed, "b"}


def test_a_name_that_differs_in_case_alone_fails_before_anything_is_trained(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", data, "leaves")
    with pytest.raises(RunError, match="task 'leaves' is finished already"):
        train(config, tmp_path / "run", data, "new", "Leaves")
    assert Run.open(tmp_path / "run").names == ("leaves",)


def test_a_run_is_not_continued_with_fewer_test_items(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, tmp_path / "run", data, "first")
    tasks = [msgspec.structs.replace(make_spec(data, name="first"), test_items=3)]
    with pytest.raises(RunError, match="task 'first': found .* test items, expected 3 at most"):
        train_stream(config, tasks, tmp_path / "run", report=Recorder())


@pytest.mark.parametrize("number", ["train_items", "train_items_per_class"])
def test_a_finished_task_of_fewer_items_is_kept_with_a_warning(
    tmp_path: Path, config: RunConfig, data: Path, caplog: pytest.LogCaptureFixture, number: str
) -> None:
    for count in (6, 9):
        tasks = [msgspec.structs.replace(make_spec(data, name="first"), **{number: count})]
        run = train_stream(config, tasks, tmp_path / "run", report=Recorder())
    record = run.task("first")
    asked = 9 if number == "train_items" else 9 * len(record.labels)
    assert f"kept as trained on {record.train_items} items, fewer than the {asked} that are" in caplog.text
