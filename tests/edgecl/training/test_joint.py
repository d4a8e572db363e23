from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from edgecl.config import RunConfig, TrainingConfig
from edgecl.errors import ConfigError
from edgecl.training import loop
from edgecl.training.checkpoint import Progress
from edgecl.training.loop import Lesson, Resumption, TrainingItems, train_lessons
from edgecl.training.records import TaskRecord
from edgecl.training.run import Run
from edgecl.training.schedule import Schedule
from edgecl.training.train import add_tasks, train_stream
from edgecl.training.workers import Workers
from tests.edgecl.factories import (
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_injected,
    make_spec,
)
from tests.edgecl.training.test_loop import ITEMS, PREPROCESSOR, RECIPE, make_learner
from tests.edgecl.training.test_resume import PowerCutError, assert_same_tensors

METHODS = ("shared", "adaprefix++")
NAMES = ("one", "two")


class StopAfterAnEpoch(Recorder):
    """Ends training after the first epoch."""

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        if progress.epochs == 1:
            raise PowerCutError


class StopAfterATask(Recorder):
    """Ends training when the first task is stored."""

    def finished(self, record: TaskRecord) -> None:
        raise PowerCutError


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return changed(make_config(make_image_folder(tmp_path / "vit"), epochs=3), method={"jointly": True})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def train(
    config: RunConfig,
    data: Path,
    folder: Path,
    *,
    method: str = "shared",
    names: Sequence[str] = NAMES,
    report: Recorder | None = None,
) -> Run:
    specs = [make_spec(data, name=name) for name in names]
    return train_stream(changed(config, method={"name": method}), specs, folder, report=report or Recorder())


def train_two(folder: Path, *, validation: TrainingItems | None = None, **recipe: Any) -> Progress:
    """Train two lessons of 24 items at once."""
    settings = {**RECIPE, **recipe}
    return train_lessons(
        make_injected("vit"),
        [Lesson(make_learner(), ITEMS, seed=seed, validation=validation) for seed in range(2)],
        preprocessor=PREPROCESSOR,
        config=TrainingConfig(device="cpu", **settings),
        resumption=Resumption(folder / "checkpoint.safetensors", "mine"),
        on_epoch=Mock(),
        workers=Workers(),
    )


def test_the_loss_of_several_tasks_falls(tmp_path: Path) -> None:
    losses = train_two(tmp_path, epochs=8).losses
    assert losses[-1] < 0.5 * losses[0]


def test_the_first_loss_is_the_mean_over_all_items(tmp_path: Path) -> None:
    assert train_two(tmp_path, epochs=1, batch_size=24, learning_rate=1e-9).losses[0] == pytest.approx(
        np.log(2)
    )


def test_the_best_epoch_is_that_of_all_tasks_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_score", Mock(side_effect=[100.0, 20.0, 70.0, 80.0]))
    assert train_two(tmp_path, validation=ITEMS).validation == (60.0, 75.0)


def test_every_task_gets_its_steps(tmp_path: Path, config: RunConfig, data: Path) -> None:
    report = Recorder()
    run = train(config, data, tmp_path / "run", report=report)
    assert report.epochs == [("all tasks", epoch) for epoch in range(4)]
    assert [(task.name, task.steps) for task in run.tasks] == [("one", 9), ("two", 9)]
    assert [record.name for record in report.records] == list(NAMES)


def test_shared_modules_end_the_same_for_every_task(tmp_path: Path, config: RunConfig, data: Path) -> None:
    one, two = (train(config, data, tmp_path / "run").tensors(name) for name in NAMES)
    assert np.array_equal(one.adapter_up, two.adapter_up)
    assert one.adapter_up.any()
    assert not np.array_equal(one.head_weight, two.head_weight)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stopper", [StopAfterAnEpoch, StopAfterATask])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, config: RunConfig, data: Path, method: str, stopper: type[Recorder]
) -> None:
    with pytest.raises(PowerCutError):
        train(config, data, tmp_path / "run", method=method, report=stopper())
    continued = train(config, data, tmp_path / "run", method=method)
    whole = train(config, data, tmp_path / "whole", method=method)
    assert_same_tensors(continued, whole, "one")
    assert_same_tensors(continued, whole, "two")
    assert continued.method_state().keys() == whole.method_state().keys()
    assert not (continued.folder / "checkpoint.safetensors").exists()


def test_a_finished_run_is_not_trained_again(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, data, tmp_path / "run")
    report = Recorder()
    run = train(config, data, tmp_path / "run", report=report)
    assert (report.epochs, report.checked) == ([], [])
    assert [task.position for task in run.tasks] == [0, 1]


def test_a_checkpoint_that_a_kill_left_behind_is_removed(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, data, tmp_path / "run")
    (run.folder / "checkpoint.safetensors").touch()
    train(config, data, run.folder)
    assert not (run.folder / "checkpoint.safetensors").exists()


def test_a_longer_stream_is_refused(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train(config, data, tmp_path / "run")
    with pytest.raises(ConfigError, match="was trained on all its tasks at once, so none can be added"):
        train(config, data, tmp_path / "run", names=(*NAMES, "three"))


def test_no_task_is_added(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, data, tmp_path / "run")
    with pytest.raises(ConfigError, match="was trained on all its tasks at once, so none can be added"):
        add_tasks(run.folder, [make_spec(data, name="three")], report=Recorder())


def test_a_task_does_not_start_from_one_of_the_same_run(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    config = changed(config, transfer={"start": "average", "average_rate": 1.0})
    with pytest.raises(PowerCutError):
        train(config, data, tmp_path / "run", method="adaprefix", report=StopAfterATask())
    run = train(config, data, tmp_path / "run", method="adaprefix")
    assert [task.parent for task in run.tasks] == [None, None]
