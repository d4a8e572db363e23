from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecl.training.run import Run
from tests.cli.conftest import Call
from tests.exported import ADDED, Field, make_data, make_stream

QUICK = (
    *("--set", "training.epochs=1"),
    *("--set", "training.min_steps=1"),
    *("--set", "method.rank=2"),
    *("--set", "method.prefix_length=1"),
)

SILENT_DRIFT = (
    *("--method", "adaprefix++"),
    *("--set", "generator.drift_weight=0"),
    *("--set", "generator.drift=sq"),
)
"""The form of a loss that has no weight."""


def make_two_tasks(folder: Path) -> Path:
    """Write a stream of two tasks."""
    data = {f"task-{number}": make_data(folder / "data", "image", number=number) for number in range(2)}
    return make_stream(folder / "two.toml", data)


def test_the_result_is_one_json_object_and_progress_is_elsewhere(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    stream = make_two_tasks(tmp_path)
    called = call(
        "train",
        "--backbone",
        image_field.backbone,
        "--stream",
        stream,
        "--out",
        tmp_path / "run",
        *QUICK,
        "--json",
    )
    assert called.code == 0
    assert called.json["run"] == str(tmp_path / "run")
    assert [task["task"] for task in called.json["tasks"]] == ["task-0", "task-1"]
    assert called.json == {"run": str(tmp_path / "run"), **Run.open(tmp_path / "run").metrics()}
    assert [line.split(":")[0] for line in called.err.splitlines()] == ["task-0", "task-1"]


def test_the_result_is_a_table_with_the_average(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_data(tmp_path, "image")
    called = call(
        "train", "--backbone", image_field.backbone, "--task", f"a={data}", "--out", tmp_path / "run", *QUICK
    )
    assert called.out.splitlines()[1].split() == ["task", "classes", "trained", "on", "accuracy", "time"]
    assert called.out.splitlines()[-1].startswith("average")


def test_the_same_command_again_trains_nothing(image_field: Field, tmp_path: Path, call: Call) -> None:
    command = ("train", "--backbone", image_field.backbone, "--stream", make_two_tasks(tmp_path))
    first = call(*command, "--out", tmp_path / "run", *QUICK, "--json")
    again = call(*command, "--out", tmp_path / "run", *QUICK, "--json")
    assert (again.code, again.err) == (0, "")
    assert again.json == first.json


def test_other_settings_for_the_same_run_are_refused(image_field: Field, tmp_path: Path, call: Call) -> None:
    command = ("train", "--backbone", image_field.backbone, "--stream", make_two_tasks(tmp_path))
    call(*command, "--out", tmp_path / "run", *QUICK)
    called = call(*command, "--out", tmp_path / "run", *QUICK, "--set", "training.batch_size=4")
    assert (called.code, called.out) == (1, "")
    assert "training.batch_size was 32, is 4" in called.err


def test_a_setting_that_would_be_passed_over_is_refused_before_anything_is_made(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    command = ("train", "--backbone", image_field.backbone, "--stream", make_two_tasks(tmp_path))
    called = call(*command, "--out", tmp_path / "run", *SILENT_DRIFT)
    assert (called.code, called.out) == (2, "")
    assert "generator.drift: found 'sq' beside generator.drift_weight=0" in called.err
    assert not (tmp_path / "run").exists()


def test_a_run_of_an_earlier_version_goes_on_with_a_setting_that_is_passed_over(
    image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ("train", "--backbone", image_field.backbone, "--stream", make_two_tasks(tmp_path))
    command = (*begun, "--out", tmp_path / "run", *QUICK, *SILENT_DRIFT)
    with monkeypatch.context() as earlier:
        earlier.setattr("edgecl.config.refuse_meaningless", lambda _: None)
        assert call(*command).code == 0
    assert call(*command).code == 0


def test_options_come_before_the_config_file(image_field: Field, tmp_path: Path, call: Call) -> None:
    config = tmp_path / "recipe.toml"
    config.write_text("seed = 3\n[training]\nepochs = 2\nmin_steps = 0\n", encoding="utf-8")
    data = make_data(tmp_path, "image")
    call(
        *("train", "--backbone", image_field.backbone, "--task", f"a={data}", "--out", tmp_path / "run"),
        *("--config", config, "--seed", 5),
    )
    found = Run.open(tmp_path / "run").record.config
    assert (found.seed, found.training.epochs, found.method.prefix_length) == (5, 2, 10)


def test_a_method_brings_its_settings(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_data(tmp_path, "image")
    command = ("train", "--backbone", image_field.backbone, "--task", f"a={data}", "--out", tmp_path / "run")
    assert call(*command, "--method", "adaprefix++-joint", *QUICK).code == 0
    found = Run.open(tmp_path / "run").record.config
    assert (found.method.name, found.method.jointly, found.generator.drift_weight) == (
        "adaprefix++",
        True,
        0.0,
    )


def test_an_unknown_method_is_refused_with_those_there_are(tmp_path: Path, call: Call) -> None:
    called = call("train", "--task", "a=a.npz", "--out", tmp_path / "run", "--method", "ewc")
    assert (called.code, called.out) == (2, "")
    assert "--method: found 'ewc', expected one of adaprefix" in called.err


def test_a_task_is_added_with_the_settings_of_its_run(image_field: Field, tmp_path: Path, call: Call) -> None:
    run = image_field.copy_run(tmp_path)
    data = make_data(tmp_path, "image", number=9)
    called = call("train", run.folder, "--task", f"{ADDED}={data}", "--json")
    assert [task["task"] for task in called.json["tasks"]] == [*image_field.tasks, ADDED]
    assert Run.open(run.folder).record == image_field.run.record
    assert Run.open(run.folder).tensors(ADDED).rank == image_field.run.tensors("hues").rank


def test_a_task_that_is_there_already_is_not_trained_again(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    called = call("train", image_field.run.folder, "--task", f"Hues={make_data(tmp_path, 'image')}")
    assert (called.code, called.out) == (1, "")
    assert "task 'hues' is finished already, on " in called.err
    assert called.err.endswith("Choose another name to train it again\n")


@pytest.mark.parametrize(
    "option",
    [
        ("--out", "other"),
        ("--stream", "s.toml"),
        ("--seed", "1"),
        ("--method", "adaprefix"),
        ("--image-size", "64"),
        ("--config", "c.toml"),
        ("--set", "training.epochs=1"),
        ("--data", "data"),
        ("--reverse",),
    ],
)
def test_a_run_keeps_its_settings(option: tuple[str, ...], call: Call) -> None:
    called = call("train", "run", "--task", "a=a.npz", *option)
    assert (called.code, called.out) == (2, "")
    assert "With RUN give only --task NAME=DATA" in called.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("--out", "run"), ("--stream", "s.toml"), ("--stream", "s.toml", "--task", "a=b", "--out", "run")],
)
def test_a_new_run_needs_tasks_and_a_folder(arguments: tuple[str, ...], call: Call) -> None:
    called = call("train", *arguments)
    assert (called.code, called.out) == (2, "")
    assert "Give --stream FILE (or --task NAME=DATA) and --out RUN to train" in called.err


def test_a_stream_is_learned_from_another_folder_in_reversed_order_with_few_items(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    data = {f"task-{number}": make_data(tmp_path / "data", "image", number=number) for number in range(2)}
    stream = make_stream(tmp_path / "two.toml", {name: Path(path.name) for name, path in data.items()})
    called = call(
        "train",
        *("--backbone", image_field.backbone, "--stream", stream, "--data", tmp_path / "data"),
        *("--per-class", "2", "--reverse", "--out", tmp_path / "run", *QUICK, "--json"),
    )
    assert called.code == 0
    assert [task["task"] for task in called.json["tasks"]] == ["task-1", "task-0"]
    assert [task.train_items for task in Run.open(tmp_path / "run").tasks] == [6, 4]


def test_a_task_of_few_items_is_added(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_data(tmp_path, "image")
    backbone, run = image_field.backbone, tmp_path / "run"
    call("train", "--backbone", backbone, "--task", f"a={data}", "--out", run, "--per-class", "3", *QUICK)
    assert call("train", run, "--task", f"b={data}", "--per-class", "2").code == 0
    assert [task.train_items for task in Run.open(run).tasks] == [6, 4]


def test_a_folder_of_data_is_for_streams(call: Call) -> None:
    called = call("train", "--task", "a=a.npz", "--data", "data", "--out", "run")
    assert called.code == 2
    assert "--task NAME=DATA has its own path" in called.err


def test_a_run_without_a_task_to_add_is_wrong_usage(call: Call) -> None:
    assert "With RUN give only --task NAME=DATA" in call("train", "run").err


def test_a_setting_without_a_value_is_wrong_usage(call: Call) -> None:
    called = call("train", "--task", "a=b", "--out", "run", "--set", "training.epochs")
    assert called.code == 2
    assert "--set training.epochs: expected KEY=VALUE, such as training.epochs=10" in called.err


def test_a_task_without_data_is_refused(tmp_path: Path, call: Call) -> None:
    called = call("train", "--task", "signs", "--out", tmp_path / "run")
    assert (called.code, called.out) == (2, "")
    assert "expected NAME=DATA" in called.err


def test_the_resolved_settings_lie_beside_the_result(image_field: Field) -> None:
    config = json.loads((image_field.run.folder / "run.json").read_text(encoding="utf-8"))["config"]
    assert config["training"]["learning_rate"] == 5e-3
    assert config["backbone"]["source"] == str(image_field.backbone)
