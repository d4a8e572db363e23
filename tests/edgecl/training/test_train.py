from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest

from edgecl.config import FirstPrefix, MethodConfig, RunConfig
from edgecl.errors import BackboneError, ConfigError, DataError, RunError
from edgecl.training.run import Run
from edgecl.training.train import add_tasks, load_run_backbone, train_stream
from tests.edgecl.factories import (
    DIMENSIONS,
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
    make_text_data,
    make_text_folder,
)
from tests.edgecl.streams.factories import make_folders


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return make_config(make_image_folder(tmp_path / "vit"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def train(config: RunConfig, folder: Path, data: Path, *names: str) -> Run:
    """Train tasks of these names on the same data."""
    specs = [make_spec(data, name=name) for name in names or ("shade",)]
    return train_stream(config, specs, folder, report=Recorder())


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the finished tasks."""
    files = sorted(path for path in (folder / "tasks").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stored(run: Run, name: str = "shade") -> bytes:
    return (run.task_folder(name) / "tensors.safetensors").read_bytes()


def test_a_separable_task_is_learned(tmp_path: Path, data: Path) -> None:
    config = make_config(make_image_folder(tmp_path / "vit"), min_steps=60)
    record = train(config, tmp_path / "run", data).task("shade")
    assert record.losses[-1] < 0.5 * record.losses[0]
    assert record.accuracy > 80.0


def test_a_record_says_what_was_trained(tmp_path: Path, config: RunConfig, data: Path) -> None:
    record = train(config, tmp_path / "run", data).task("shade")
    assert (record.position, record.labels, record.data) == (0, ("0", "1", "2"), str(data))
    assert (record.train_items, record.test_items, record.steps) == (39, 9, 6)
    assert set(record.versions) == {"edgecl", "torch", "transformers"}


def test_accuracy_is_that_of_the_tensors_as_they_are_packed(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Mock(return_value=np.zeros(9, np.int64))
    monkeypatch.setattr("edgecl.training.one_task.predictions", measured)
    assert train(config, tmp_path / "run", data).task("shade").accuracy == pytest.approx(100 / 3)
    assert {array.dtype for _, array in measured.call_args.kwargs["task"].items()} == {np.dtype(np.float16)}


def test_tensors_fit_the_backbone_and_the_classes(tmp_path: Path, config: RunConfig, data: Path) -> None:
    tensors = train(config, tmp_path / "run", data).tensors("shade")
    tensors.check(DIMENSIONS, classes=3)
    assert (tensors.prefix_length, tensors.rank) == (3, 2)


def test_as_many_items_are_held_out_as_asked_for(tmp_path: Path, config: RunConfig, data: Path) -> None:
    heldout = train(config, tmp_path / "run", data).heldout("shade")
    assert len(heldout.prepared) == len(heldout.targets) == 4
    assert {item.shape for item in heldout.prepared} == {(32, 32, 3)}


def test_a_run_keeps_its_resolved_settings(tmp_path: Path, config: RunConfig, data: Path) -> None:
    kept = train(config, tmp_path / "run", data).record.config
    assert kept.training.learning_rate == 5e-3
    assert kept.method == msgspec.structs.replace(config.method, first_prefix="fixed")
    assert (kept.seed, kept.backbone.source) == (config.seed, config.backbone.source)


@pytest.mark.parametrize(("first_prefix", "moves"), [(None, False), ("trained", True)])
def test_prefixes_of_the_first_block_move_only_where_they_are_trained(
    tmp_path: Path, config: RunConfig, data: Path, first_prefix: FirstPrefix | None, *, moves: bool
) -> None:
    method = {"first_prefix": first_prefix}
    short, long = (changed(config, method=method, training={"epochs": epochs}) for epochs in (1, 2))
    before = train(short, tmp_path / "short", data).tensors("shade").prefix_k
    after = train(long, tmp_path / "long", data).tensors("shade").prefix_k
    assert np.array_equal(before[0], after[0]) is not moves
    assert not np.array_equal(before[1], after[1])


def test_a_head_may_start_as_layers_do_on_features_as_they_are(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    still = {"head_start": "default", "learning_rate": 1e-12, "head_learning_rate": 1e-12}
    settings = changed(config, training=still, transfer={"start": "average"})
    run = train(settings, tmp_path / "run", data, "first", "second")
    assert run.task("second").parent == "first"
    for name in ("first", "second"):
        weight = run.tensors(name).head_weight
        bound = weight.shape[1] ** -0.5
        assert 0.8 * bound < np.abs(weight).max() <= bound


def test_the_same_seed_gives_the_same_bits(tmp_path: Path, config: RunConfig, data: Path) -> None:
    first, second = (train(config, tmp_path / name, data) for name in ("one", "two"))
    assert stored(first) == stored(second)


def test_another_seed_gives_other_tensors(tmp_path: Path, config: RunConfig, data: Path) -> None:
    first = train(config, tmp_path / "one", data)
    second = train(msgspec.structs.replace(config, seed=1), tmp_path / "two", data)
    assert stored(first) != stored(second)


def test_the_order_of_the_stream_does_not_matter_to_a_task_that_learns_for_itself(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    config = changed(config, transfer={"start": "identity"})
    forth = train(config, tmp_path / "forth", data, "first", "second")
    back = train(config, tmp_path / "back", data, "second", "first")
    assert [task.name for task in back.tasks] == ["second", "first"]
    assert (
        stored(forth, "first") == stored(back, "first") != stored(back, "second") == stored(forth, "second")
    )


def test_a_task_that_is_trained_alone_is_the_same_after_another_as_first(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    alone = changed(config, method={"name": "adaprefix++", "alone": True})
    after = train(alone, tmp_path / "after", data, "first", "second")
    only = train(alone, tmp_path / "only", data, "second")
    assert stored(after, "second") == stored(only, "second")


def test_a_task_starts_from_the_one_before_where_that_is_asked(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(changed(config, transfer={"start": "average"}), tmp_path / "run", data, "first", "second")
    assert [task.parent for task in run.tasks] == [None, "first"]


def test_a_finished_stream_is_not_trained_again(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, tmp_path / "run", data)
    before, report = digests(tmp_path / "run"), Recorder()
    data.unlink()
    train_stream(config, [make_spec(data)], tmp_path / "run", report=report)
    assert (report.epochs, report.checked) == ([], [])
    assert digests(tmp_path / "run") == before


def test_a_longer_stream_trains_what_is_missing(tmp_path: Path, config: RunConfig, data: Path) -> None:
    before = stored(train(config, tmp_path / "run", data, "first"), "first")
    run = train(config, tmp_path / "run", data, "first", "second")
    assert [(task.name, task.position) for task in run.tasks] == [("first", 0), ("second", 1)]
    assert stored(run, "first") == before


def test_metrics_are_written(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", data, "first", "second")
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    accuracies = [task.accuracy for task in run.tasks]
    assert metrics["average_accuracy"] == pytest.approx(np.mean(accuracies))
    assert [(task["task"], task["accuracy"]) for task in metrics["tasks"]] == [
        ("first", accuracies[0]),
        ("second", accuracies[1]),
    ]


def test_the_report_is_told_of_items_epochs_and_the_result(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    report = Recorder()
    run = train_stream(config, [make_spec(data)], tmp_path / "run", report=report)
    assert report.checked[-1] == ("shade", 48, 48)
    assert report.epochs == [("shade", 0), ("shade", 1), ("shade", 2)]
    assert report.records == [run.task("shade")]


def test_texts_are_learned_from_end_to_end(tmp_path: Path) -> None:
    config = make_config(make_text_folder(tmp_path / "bert"), min_steps=40)
    run = train(config, tmp_path / "run", make_text_data(tmp_path / "pets.jsonl"), "pets")
    assert run.record.modality == "text"
    assert run.task("pets").labels == ("cat", "dog")
    assert run.task("pets").accuracy > 80.0
    assert {item.ndim for item in run.heldout("pets").prepared} == {1}


def test_texts_for_an_image_backbone_are_refused_before_a_folder_is_made(
    tmp_path: Path, config: RunConfig
) -> None:
    texts = make_text_data(tmp_path / "pets.jsonl")
    with pytest.raises(
        DataError, match="pets.jsonl: found texts, expected images, which .*vit reads"
    ) as caught:
        train(config, tmp_path / "run", texts)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run").exists()


def test_images_for_a_text_backbone_are_refused_before_a_folder_is_made(tmp_path: Path, data: Path) -> None:
    config = make_config(make_text_folder(tmp_path / "bert"))
    with pytest.raises(DataError, match="shade.npz: found images, expected texts"):
        train(config, tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


def test_a_broken_image_is_named_before_any_task_is_trained(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    folder = make_folders(tmp_path / "steel", {"crack": 4, "dent": 4})
    (folder / "dent" / "002.png").write_bytes(b"not an image")
    report = Recorder()
    with pytest.raises(DataError, match="002.png"):
        train_stream(
            config, [make_spec(data), make_spec(folder, name="steel")], tmp_path / "run", report=report
        )
    assert report.epochs == []
    assert not (tmp_path / "run").exists()


def test_an_unknown_method_is_refused_before_a_folder_is_made(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    other = msgspec.structs.replace(config, method=MethodConfig(name="magic"))
    with pytest.raises(ConfigError, match="magic"):
        train(other, tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


def test_a_missing_backbone_is_refused_before_a_folder_is_made(tmp_path: Path, data: Path) -> None:
    with pytest.raises(BackboneError, match="none"):
        train(make_config(tmp_path / "none"), tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


def test_changed_settings_are_named(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, tmp_path / "run", data)
    other = make_config(tmp_path / "vit", batch_size=8)
    with pytest.raises(RunError, match="holds a run with other settings .training.batch_size was 16, is 8"):
        train(other, tmp_path / "run", data)


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, config: RunConfig, data: Path) -> None:
    with pytest.raises(RunError, match="is not empty and not a run"):
        train(config, tmp_path, data)
    assert not (tmp_path / "run.json").exists()


def test_a_task_is_added_without_the_data_of_the_earlier_ones(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", data, "first")
    before = digests(tmp_path / "run")
    data.unlink()
    run = add_tasks(
        tmp_path / "run", [make_spec(make_image_data(tmp_path / "new.npz"), name="new")], report=Recorder()
    )
    assert [task.name for task in run.tasks] == ["first", "new"]
    assert digests(tmp_path / "run").items() >= before.items()


def test_an_added_task_has_the_tensors_it_would_have_in_the_stream(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", data, "first")
    added = add_tasks(tmp_path / "run", [make_spec(data, name="second")], report=Recorder())
    whole = train(config, tmp_path / "whole", data, "first", "second")
    assert stored(added, "second") == stored(whole, "second")


@pytest.mark.parametrize(("name", "place"), [("shade", "other.npz"), ("Shade", "shade.npz")])
def test_the_name_of_a_finished_task_is_refused_for_another_task(
    tmp_path: Path, config: RunConfig, data: Path, name: str, place: str
) -> None:
    train(config, tmp_path / "run", data)
    before = digests(tmp_path / "run")
    with pytest.raises(RunError, match=r"task 'shade' is finished already, on .* Choose another name"):
        add_tasks(tmp_path / "run", [make_spec(tmp_path / place, name=name)], report=Recorder())
    assert digests(tmp_path / "run") == before


def test_a_name_that_differs_in_case_only_is_refused_in_a_stream_too(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", data)
    with pytest.raises(RunError, match="task 'shade' is finished already"):
        train(config, tmp_path / "run", data, "SHADE")


def test_another_backbone_is_refused(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, tmp_path / "run", data)
    other = make_image_folder(tmp_path / "other", seed=5)
    with pytest.raises(RunError, match="other: backbone .* was trained on .* with --backbone"):
        add_tasks(
            tmp_path / "run", [make_spec(data, name="new")], report=Recorder(), backbone_source=str(other)
        )
    assert [task.name for task in Run.open(tmp_path / "run").tasks] == ["shade"]


def test_a_backbone_that_moved_can_be_named(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", data)
    (tmp_path / "vit").rename(tmp_path / "moved")
    with pytest.raises(BackboneError, match="vit: cannot be read"):
        load_run_backbone(run)
    assert load_run_backbone(run, source=str(tmp_path / "moved")).fingerprint == run.record.fingerprint


def test_adding_to_no_run_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        add_tasks(tmp_path / "none", [make_spec(data)], report=Recorder())


def test_a_run_in_which_another_process_trains_is_refused(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, tmp_path / "run", data)
    with run.locked(), pytest.raises(RunError, match="another process trains in this run"):
        add_tasks(tmp_path / "run", [make_spec(data, name="new")], report=Recorder())
    assert not run.task_folder("new").exists()


def test_a_task_that_another_process_finished_meanwhile_is_kept(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    class Late(Recorder):
        """Lets the other process finish while the items are read."""

        def checking(self, task: str, done: int, total: int) -> None:
            train(config, tmp_path / "run", data)

    train_stream(config, [make_spec(data)], tmp_path / "run", report=Late())
    assert [task.position for task in Run.open(tmp_path / "run").tasks] == [0]


def test_changed_settings_are_refused_before_data_are_read(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, tmp_path / "run", data)
    with pytest.raises(RunError, match="seed was"):
        train(msgspec.structs.replace(config, seed=99), run.folder, tmp_path / "nowhere.npz", "other")


def test_training_that_diverged_says_so_and_finishes_nothing(tmp_path: Path, data: Path) -> None:
    config = make_config(make_image_folder(tmp_path / "vit"), learning_rate=1e30)
    with pytest.raises(RunError, match="training diverged"):
        train(config, tmp_path / "run", data)
    assert Run.open(tmp_path / "run").tasks == ()


def test_a_repeated_command_keeps_what_it_had_finished(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", data)
    first, second = make_spec(data, name="first"), make_spec(data, name="second")
    add_tasks(run.folder, [first], report=Recorder())
    before = stored(run, "first")
    add_tasks(run.folder, [first, second], report=Recorder())
    assert stored(run, "first") == before
    assert [task.name for task in run.tasks] == ["shade", "first", "second"]


def test_metrics_that_a_kill_left_behind_are_brought_up_to_date(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, tmp_path / "run", data)
    (run.folder / "metrics.json").write_text("{}")
    (run.task_folder("shade") / ".tensors.safetensors.00.part").touch()
    train(config, run.folder, data)
    assert json.loads((run.folder / "metrics.json").read_text())["tasks"][0]["task"] == "shade"
    assert list(run.task_folder("shade").glob(".*.part")) == []


@pytest.mark.parametrize(
    "begun",
    [
        {"training": {"learning_rate": 2e-3}},
        {"training": {"weight_decay": 0.5}},
        {"method": {"first_prefix": "trained"}},
        {"transfer": {"start": "average"}},
        {"transfer": {"least_gain": 1.0}},
    ],
)
def test_a_run_goes_on_as_it_was_begun_where_nothing_else_is_said(
    tmp_path: Path, config: RunConfig, data: Path, begun: dict[str, dict[str, Any]]
) -> None:
    unsaid = changed(config, method={"first_prefix": None}, transfer={"start": None, "least_gain": None})
    unsaid = changed(unsaid, training={"learning_rate": None})
    run = train(changed(unsaid, **begun), tmp_path / "run", data)
    train(unsaid, run.folder, data, "shade", "other")
    assert [task.name for task in run.tasks] == ["shade", "other"]
    assert run.record.config == changed(run.record.config, **begun)


def test_a_device_that_is_not_there_is_refused_by_name(tmp_path: Path, data: Path) -> None:
    config = make_config(make_image_folder(tmp_path / "vit"), device="toaster")
    with pytest.raises(ConfigError, match="'toaster' cannot be used here"):
        train(config, tmp_path / "run", data)


def made_elsewhere(folder: Path) -> None:
    """Let a run say that it was made on a device that is not here."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    record["config"]["training"]["device"] = "toaster"
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def test_a_run_of_another_device_is_continued_on_the_one_that_is_named(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, tmp_path / "run", data)
    made_elsewhere(run.folder)
    train(changed(config, training={"device": "cpu"}), run.folder, data, "shade", "other")
    assert [task.name for task in run.tasks] == ["shade", "other"]


def test_a_task_is_added_where_the_device_of_the_run_is_not(
    tmp_path: Path, config: RunConfig, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = train(config, tmp_path / "run", data)
    made_elsewhere(run.folder)
    add_tasks(run.folder, [make_spec(data, name="other")], report=Recorder())
    assert [task.name for task in run.tasks] == ["shade", "other"]
    assert "'toaster' cannot be used here" in caplog.text
    assert "goes on with auto" in caplog.text


def test_settings_are_stored_with_nothing_left_to_later_defaults(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    stored_config = train(config, tmp_path / "run", data).record.config
    assert (stored_config.backbone.image_size, stored_config.backbone.pooling) == (32, "cls")


def test_a_backbone_that_moved_continues_its_run(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", data)
    moved = Path(config.backbone.source).rename(tmp_path / "elsewhere")
    train(make_config(moved), run.folder, data, "shade", "other")
    assert [task.name for task in run.tasks] == ["shade", "other"]
