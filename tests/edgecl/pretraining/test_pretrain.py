from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from edgecl.backbones.huggingface import load_backbone
from edgecl.errors import ConfigError, RunError
from edgecl.pretraining.average import RunningAverage
from edgecl.pretraining.export import top1
from edgecl.pretraining.images import Images
from edgecl.pretraining.pretrain import pretrain
from edgecl.pretraining.record import TrainingRecord, read_record
from edgecl.pretraining.reports import PretrainingLogs, Reports
from edgecl.pretraining.student import Student, as_input
from edgecl.training.workers import Workers
from tests.edgecl.factories import make_image_folder
from tests.edgecl.pretraining.factories import CLASSES, Told, make_recipe, make_shards, read_toy

FEATURES = {"loss__pooled": 1.0, "loss__tokens": 1.0, "training__kept_patches": 0.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_image_folder(tmp_path_factory.mktemp("teacher") / "vit"))


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def assert_same_weights(one: Path, other: Path) -> None:
    found, expected = weights(one), weights(other)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(array, expected[name]) for name, array in found.items())


def test_training_lowers_the_loss_and_learns_the_classes(data: Path, tmp_path: Path) -> None:
    gentle = {"augmentation__trivial": 0, "augmentation__mixup": 0, "augmentation__cutmix": 0}
    recipe = make_recipe(
        tmp_path, training__epochs=30, training__round_steps=30, training__learning_rate=0.01, **gentle
    )
    record = pretrain(recipe, data, tmp_path / "out", report=Told())
    assert record.losses[-1] < 0.7 * record.losses[0]
    assert record.validation_top1 == 100.0


def test_the_folder_is_a_backbone_of_the_stored_weights(data: Path, tmp_path: Path) -> None:
    record = pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    backbone = load_backbone(str(tmp_path / "out"))
    assert {array.dtype for array in weights(tmp_path / "out").values()} == {np.dtype(np.float16)}
    assert backbone.spec.preprocessing.size == 16  # type: ignore[union-attr]  # of images
    for tensor in backbone.module.state_dict().values():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor.half().float(), tensor)
    assert record.parameters == sum(parameter.numel() for parameter in backbone.module.parameters())


def test_the_features_of_the_folder_are_those_that_were_validated(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[torch.Tensor] = []

    def spied(student: Student, images: Images) -> float:
        validated.append(
            student.features(as_input(torch.from_numpy(images.pixels).permute(0, 3, 1, 2) / 255))[:, 0]
        )
        return top1(student, images)

    monkeypatch.setattr("edgecl.pretraining.pretrain.top1", spied)
    pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    backbone = load_backbone(str(tmp_path / "out"))
    inputs = backbone.preprocessor.batch(list(read_toy(data).validation.pixels))
    found = backbone.module({name: torch.from_numpy(array) for name, array in inputs.items()})
    torch.testing.assert_close(found, validated[0].detach(), rtol=0, atol=1e-5)


def test_the_record_says_what_was_done(data: Path, teacher: str, tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, teacher__source=teacher, **FEATURES)
    record = pretrain(recipe, data, tmp_path / "out", report=Told())
    assert (record.steps, record.images_seen, record.train_images, record.validation_images) == (6, 48, 24, 6)
    assert record.classes == len(CLASSES)
    assert record.settings.config == recipe
    assert record.settings.teacher_fingerprint == load_backbone(teacher).fingerprint
    assert (len(record.losses), record.processes) == (3, 1)
    assert record.seconds > 0
    assert record.macs > 0
    assert read_record(tmp_path / "out") == record


@pytest.mark.parametrize("learned", ["labels", "features"])
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_training_that_was_killed_ends_with_the_same_weights(
    data: Path, teacher: str, tmp_path: Path, learned: str, stop_after: int
) -> None:
    extra = {"teacher__source": teacher, **FEATURES} if learned == "features" else {}
    recipe = make_recipe(tmp_path, **extra)
    whole = pretrain(recipe, data, tmp_path / "whole", report=Told())
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe, data, tmp_path / "killed", report=Told(stop_after=stop_after))
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    told = Told()
    resumed = pretrain(recipe, data, tmp_path / "killed", report=told)
    assert len(told.rounds) == 4 - stop_after  # the one after which it was killed is trained again
    assert_same_weights(tmp_path / "killed", tmp_path / "whole")
    assert resumed.losses == whole.losses


def test_the_same_seed_gives_the_same_weights_and_another_one_others(data: Path, tmp_path: Path) -> None:
    one, again, other = (
        pretrain(make_recipe(tmp_path, seed=seed), data, tmp_path / name, report=Told())
        for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    assert one.weights_sha256 == again.weights_sha256
    assert one.weights_sha256 != other.weights_sha256


def test_a_finished_training_is_not_repeated(data: Path, tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    first = pretrain(recipe, data, tmp_path / "out", report=Told())
    told = Told()
    assert pretrain(recipe, tmp_path / "gone", tmp_path / "out", report=told) == first
    assert told.finished_before == [first]
    assert (told.read, told.rounds) == ([], [])


def test_a_finished_training_with_a_teacher_that_moved_is_not_repeated(
    data: Path, teacher: str, tmp_path: Path
) -> None:
    moved, told = str(make_image_folder(tmp_path / "moved")), Told()
    one, other = (make_recipe(tmp_path, teacher__source=source, **FEATURES) for source in (teacher, moved))
    first = pretrain(one, data, tmp_path / "out", report=Told())
    assert pretrain(other, data, tmp_path / "out", report=told) == first
    assert (told.finished_before, told.rounds) == ([first], [])


def test_a_finished_training_is_known_without_what_it_left_behind(data: Path, tmp_path: Path) -> None:
    first = pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    shutil.rmtree(tmp_path / "out" / "training")
    assert pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told()) == first
    with pytest.raises(RunError, match="seed was 0, is 1"):
        pretrain(make_recipe(tmp_path, seed=1), data, tmp_path / "out", report=Told())


def test_other_settings_are_refused_by_name_before_data_are_read(data: Path, tmp_path: Path) -> None:
    pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    told = Told()
    with pytest.raises(RunError, match=r"training\.epochs was 2\.0, is 3\.0.*choose another folder"):
        pretrain(make_recipe(tmp_path, training__epochs=3), data, tmp_path / "out", report=told)
    assert told.read == []


def test_other_images_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told(stop_after=1))
    other = make_shards(tmp_path / "data")
    (other / "toy_train1.npz").unlink()
    with pytest.raises(RunError, match="data_sha256 was"):
        pretrain(make_recipe(tmp_path), other, tmp_path / "out", report=Told())


def test_a_teacher_may_move_but_not_change(data: Path, teacher: str, tmp_path: Path) -> None:
    moved = str(make_image_folder(tmp_path / "moved"))
    other = str(make_image_folder(tmp_path / "other", seed=1))
    with pytest.raises(KeyboardInterrupt):
        pretrain(
            make_recipe(tmp_path, teacher__source=teacher, **FEATURES),
            data,
            tmp_path / "out",
            report=Told(stop_after=1),
        )
    with pytest.raises(RunError, match="teacher_fingerprint was"):
        pretrain(
            make_recipe(tmp_path, teacher__source=other, **FEATURES), data, tmp_path / "out", report=Told()
        )
    pretrain(make_recipe(tmp_path, teacher__source=moved, **FEATURES), data, tmp_path / "out", report=Told())


def test_several_trainings_share_what_a_teacher_said(data: Path, teacher: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        recipe = make_recipe(tmp_path, teacher__source=teacher, seed=len(name + name), **FEATURES)
        pretrain(recipe, data, tmp_path / name, cache=tmp_path / "cache", report=Told())
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert list((tmp_path / "one" / "training").glob("teacher-*")) == []


def test_a_folder_of_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    told = Told()
    with pytest.raises(RunError, match="is not empty and no pretraining"):
        pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=told)
    assert told.read == []


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"settings": "\xff"}'])
@pytest.mark.parametrize("name", ["training.json", "training/settings.json"])
def test_a_damaged_file_is_named(data: Path, tmp_path: Path, name: str, content: bytes) -> None:
    recipe = make_recipe(tmp_path)
    pretrain(recipe, data, tmp_path / "out", report=Told())
    (tmp_path / "out" / name).write_bytes(content)
    with pytest.raises(RunError, match=rf"{name}: damaged"):
        pretrain(recipe, data, tmp_path / "out", report=Told())


def test_a_loss_that_is_no_number_ends_the_training(data: Path, tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, training__learning_rate=1e30, training__epochs=9)
    with pytest.raises(RunError, match=r"diverged \(loss .*lower training.learning_rate"):
        pretrain(recipe, data, tmp_path / "out", report=Told())


def test_weights_that_do_not_fit_into_float16_are_not_stored(data: Path, tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, training__learning_rate=1e30, training__epochs=1 / 3)
    with pytest.raises(RunError, match=r"diverged \(weights beyond what float16 holds"):
        pretrain(recipe, data, tmp_path / "out", report=Told())
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_weights_that_are_no_numbers_are_no_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RunningAverage.update_parameters

    def spoilt(average: RunningAverage, student: Student) -> None:
        torch.nn.init.constant_(student.classifier.bias, torch.inf)
        original(average, student)

    monkeypatch.setattr(RunningAverage, "update_parameters", spoilt)
    with pytest.raises(RunError, match=r"diverged \(weights that are no numbers at step 1\)"):
        pretrain(make_recipe(tmp_path, training__round_steps=1), data, tmp_path / "out", report=Told())
    assert not (tmp_path / "out" / "training" / "checkpoint.safetensors").exists()


def test_what_is_written_is_written_alike(data: Path, tmp_path: Path) -> None:
    pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    files = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert len(files) == 4
    assert {path.stat().st_mode for path in files} == {(tmp_path / "recipe.toml").stat().st_mode}


def test_the_weights_are_written_durably(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable: dict[str, bytes] = {}
    monkeypatch.setattr(
        "edgecl.pretraining.export.write_durably", lambda path, raw: durable.update({path.name: raw})
    )
    record = pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    assert set(durable) == {"model.safetensors", "config.json", "preprocessor_config.json"}
    assert hashlib.sha256(durable["model.safetensors"]).hexdigest() == record.weights_sha256


class Ticking:
    """A clock on which a second passes each time it is read."""

    def __init__(self) -> None:
        self._now = 0.0

    def perf_counter(self) -> float:
        self._now += 1
        return self._now


def test_by_the_clock_training_ends_in_time(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecl.pretraining.loop.time", Ticking())
    told = Told()
    record = pretrain(make_recipe(tmp_path, training__minutes=0.1), data, tmp_path / "out", report=told)
    assert (record.steps, record.seconds, record.images_seen) == (6, 6.0, 48)
    assert [each.done for each in told.rounds] == pytest.approx([2 / 6, 4 / 6, 1])
    assert told.rounds[-1].learning_rate < told.rounds[0].learning_rate


def test_by_the_clock_a_stop_does_not_count(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecl.pretraining.loop.time", Ticking())
    recipe = make_recipe(tmp_path, training__minutes=0.1)
    whole = pretrain(recipe, data, tmp_path / "whole", report=Told())
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe, data, tmp_path / "killed", report=Told(stop_after=2))
    resumed = pretrain(recipe, data, tmp_path / "killed", report=Told())
    assert (resumed.steps, resumed.seconds) == (6, 6.0)
    assert resumed.weights_sha256 == whole.weights_sha256


def test_one_device_for_several_processes_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "of_environment", lambda: Workers(0, 2))
    with pytest.raises(ConfigError, match=r"training.device: found cpu:0 for 2 processes.*Set auto or cpu"):
        pretrain(make_recipe(tmp_path, training__device="cpu:0"), data, tmp_path / "out", report=Told())


def test_more_processes_than_images_in_a_batch_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "of_environment", lambda: Workers(0, 9))
    with pytest.raises(ConfigError, match="found 8 for 9 processes"):
        pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())


def test_tensorboard_shows_each_round_once_after_a_stop(data: Path, tmp_path: Path) -> None:
    recipe, logs = make_recipe(tmp_path), tmp_path / "out" / "training" / "logs"
    with pytest.raises(KeyboardInterrupt), PretrainingLogs(logs) as written:
        pretrain(recipe, data, tmp_path / "out", report=Reports(written, Told(stop_after=2)))
    with PretrainingLogs(logs) as written:
        record = pretrain(recipe, data, tmp_path / "out", report=Reports(written))
    shown = EventAccumulator(str(logs)).Reload().Scalars("loss")
    assert [event.step for event in shown] == [2, 4, 6]
    assert [event.value for event in shown] == pytest.approx(record.losses)


def test_the_record_is_json_that_can_be_read_back(data: Path, tmp_path: Path) -> None:
    pretrain(make_recipe(tmp_path), data, tmp_path / "out", report=Told())
    raw = (tmp_path / "out" / "training.json").read_bytes()
    assert json.loads(raw)["settings"]["config"]["student"]["width"] == 16
    assert msgspec.json.decode(raw, type=TrainingRecord).steps == 6
