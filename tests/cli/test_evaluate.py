from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgecl.evaluation.evaluate import TaskAccuracy
from edgecl.evaluation.floors import Floors
from tests.cli.conftest import Call
from tests.exported import Field, make_data, make_stream


def test_accuracy_stands_beside_its_floors(image_field: Field, call: Call) -> None:
    called = call("evaluate", image_field.bundle, "--stream", image_field.stream)
    title, columns, *rows = called.out.splitlines()
    assert called.code == 0
    assert columns.split() == ["task", "accuracy", "floor", "gain", "ridge", "LDA", "logistic"]
    assert [row.split()[0] for row in rows] == [*image_field.tasks, "average"]
    assert str(image_field.bundle) in title


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_the_device_reaches_what_training_measured(
    name: str, request: pytest.FixtureRequest, call: Call
) -> None:
    field: Field = request.getfixturevalue(name)
    tasks = call("evaluate", field.bundle, "--stream", field.stream, "--json").json["tasks"]
    trained = [(task.name, task.accuracy, task.test_items) for task in field.run.tasks]
    assert [(task["task"], task["accuracy"], task["test_items"]) for task in tasks] == [
        (name, pytest.approx(accuracy), items) for name, accuracy, items in trained
    ]


def test_gain_is_what_a_task_has_above_its_best_floor(image_field: Field, call: Call) -> None:
    called = call("evaluate", image_field.bundle, "--stream", image_field.stream, "--json")
    for task in called.json["tasks"]:
        assert task["best_floor"] == max(task["floors"].values())
        assert task["gain"] == task["score"] - task["best_floor"]


def test_where_one_class_dominates_the_balanced_accuracy_is_above_its_floor() -> None:
    floors = Floors(ridge=50.0, lda=55.0, logistic=40.0)
    task = TaskAccuracy("tiles", 90.0, 61.0, dominated=True, floors=floors, test_items=20)
    assert (task.score, task.gain) == (61.0, 6.0)


def test_averages_are_over_the_tasks_and_progress_is_on_standard_error(
    image_field: Field, call: Call
) -> None:
    called = call("evaluate", image_field.bundle, "--stream", image_field.stream, "--json")
    tasks = called.json["tasks"]
    assert called.json["average_accuracy"] == pytest.approx(sum(task["accuracy"] for task in tasks) / 3)
    assert called.json["average_floor"] == pytest.approx(sum(task["best_floor"] for task in tasks) / 3)
    assert [line.split(":")[0] for line in called.err.splitlines()] == list(image_field.tasks)


def test_data_that_the_pack_was_not_trained_on_are_refused(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    stream = make_stream(tmp_path / "s.toml", {"hues": make_data(tmp_path, "image", number=7)})
    called = call("evaluate", image_field.bundle, "--stream", stream)
    assert (called.code, called.out) == (2, "")
    assert "found items with fingerprint" in called.err
    assert "so that no training item is measured" in called.err


def test_a_moved_copy_of_the_data_is_accepted(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = Path(shutil.copy(image_field.folder / "data" / "1.npz", tmp_path / "elsewhere.npz"))
    stream = make_stream(tmp_path / "s.toml", {"hues": data})
    assert call("evaluate", image_field.bundle, "--stream", stream).code == 0


def test_data_may_lie_where_the_stream_does_not_say(image_field: Field, tmp_path: Path, call: Call) -> None:
    stream = make_stream(tmp_path / "s.toml", {"hues": Path("1.npz")})
    missing = call("evaluate", image_field.bundle, "--stream", stream)
    called = call("evaluate", image_field.bundle, "--stream", stream, "--data", image_field.folder / "data")
    assert (missing.code, called.code) == (2, 0)


def test_packs_of_few_items_are_measured_with_so_many_of_each_class(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    words = ("--stream", image_field.stream, "--per-class", 2)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    backbone = image_field.run.record.config.backbone.source
    quick = (
        "--set",
        "training.epochs=1",
        "--set",
        "training.min_steps=0",
        "--set",
        "training.heldout_items=4",
    )
    assert call("train", *words, "--backbone", backbone, "--out", run, *quick).code == 0
    assert call("export", run, "--out", bundle).code == 0
    refused = call("evaluate", bundle, "--stream", image_field.stream)
    assert (refused.code, call("evaluate", bundle, *words).code) == (2, 0)
    assert "with its --data and --per-class" in refused.err


def test_a_task_without_a_pack_is_refused(image_field: Field, tmp_path: Path, call: Call) -> None:
    stream = make_stream(tmp_path / "s.toml", {"moss": make_data(tmp_path, "image")})
    called = call("evaluate", image_field.bundle, "--stream", stream)
    assert (called.code, called.out) == (2, "")
    assert "found the tasks moss without a pack, expected tasks among hues, shades, tones" in called.err


def test_another_folder_of_packs_can_be_measured(image_field: Field, tmp_path: Path, call: Call) -> None:
    (tmp_path / "packs").mkdir()
    called = call(
        "evaluate", image_field.bundle, "--packs", tmp_path / "packs", "--stream", image_field.stream
    )
    assert "expected tasks among (none)" in called.err
