from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from edgecl.config import RunConfig, TrainingConfig
from edgecl.errors import ConfigError
from edgecl.modules import FeatureScale
from edgecl.training import loop, one_task
from edgecl.training.checkpoint import Progress
from edgecl.training.loop import Lesson, Resumption, TrainingItems, train_lessons
from edgecl.training.train import train_stream
from edgecl.training.warm_start import Start, choose_start
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
from tests.edgecl.training.test_resume import assert_same_tensors, stop


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = make_config(make_image_folder(tmp_path / "vit"), epochs=3)
    return changed(config, training={"validation_fraction": 0.25})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def train(
    folder: Path, monkeypatch: pytest.MonkeyPatch, accuracies: Sequence[float], **recipe: Any
) -> tuple[Progress, list[Tensor], Tensor]:
    """Train with these accuracies on the validation items; return the head after each epoch, and in the end."""
    monkeypatch.setattr(loop, "_score", Mock(side_effect=list(accuracies)))
    learner, weights = make_learner(), list[Tensor]()
    settings = {**RECIPE, "epochs": len(accuracies), **recipe}
    progress = train_lessons(
        make_injected("vit"),
        [Lesson(learner, ITEMS, seed=0, validation=ITEMS)],
        preprocessor=PREPROCESSOR,
        config=TrainingConfig(device="cpu", **settings),
        resumption=Resumption(folder / "checkpoint.safetensors", "mine"),
        on_epoch=lambda *_: weights.append(learner.head.weight.detach().clone()),
        workers=Workers(),
    )
    return progress, weights[1:], learner.head.weight.detach()


def the_lesson(config: RunConfig, data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """Return what a run trains on."""
    spy = Mock(wraps=train_lessons)
    monkeypatch.setattr(one_task, "train_lessons", spy)
    train_stream(config, [make_spec(data)], folder, report=Recorder())
    lesson: Lesson = spy.call_args.args[1][0]
    return lesson


def test_items_that_choose_the_epoch_decide_nothing_else(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, scale = Mock(wraps=choose_start), Mock(wraps=FeatureScale.measure)
    relations = Mock(return_value=None)
    monkeypatch.setattr(one_task, "choose_start", start)
    monkeypatch.setattr(one_task, "measure_relations", relations)
    monkeypatch.setattr(FeatureScale, "measure", scale)
    lesson = the_lesson(config, data, tmp_path / "run", monkeypatch)
    assert start.call_args.args[1] is relations.call_args.args[1] is lesson.items
    sizes = [len(call.args[place]) for call, place in ((start.call_args, 2), (relations.call_args, 2))]
    assert [*sizes, len(scale.call_args.args[0])] == [len(lesson.items.targets)] * 3


def contents(items: TrainingItems) -> set[bytes]:
    return {item.tobytes() for item in items.prepared}


def test_no_validation_item_is_trained_on(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = the_lesson(config, data, tmp_path / "run", monkeypatch)
    assert lesson.validation is not None
    assert not contents(lesson.items) & contents(lesson.validation)
    assert (len(lesson.items.targets), len(lesson.validation.targets)) == (30, 9)


def test_every_class_has_validation_items(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = the_lesson(config, data, tmp_path / "run", monkeypatch)
    assert lesson.validation is not None
    assert np.bincount(lesson.validation.targets).tolist() == [3, 3, 3]
    assert len(lesson.validation.prepared) == 9


def test_the_best_epoch_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress, weights, end = train(tmp_path, monkeypatch, (50.0, 90.0, 10.0))
    assert progress.validation == (50.0, 90.0, 10.0)
    assert torch.equal(end, weights[1])
    assert not torch.equal(end, weights[2])


def test_of_equal_epochs_the_first_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, weights, end = train(tmp_path, monkeypatch, (50.0, 90.0, 90.0))
    assert torch.equal(end, weights[1])


def test_training_stops_when_patience_is_at_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = (50.0, 60.0, 40.0, 30.0, 99.0)
    progress, weights, end = train(tmp_path, monkeypatch, accuracies, patience=2)
    assert progress.epochs == 4
    assert torch.equal(end, weights[1])


def test_training_that_has_stopped_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = (50.0, 40.0, 99.0)
    train(tmp_path, monkeypatch, accuracies, patience=1)
    progress, weights, _ = train(tmp_path, monkeypatch, accuracies, patience=1)
    assert (progress.epochs, weights) == (2, [])


def test_all_processes_stop_when_the_first_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "of_first", lambda *_: (50.0,))
    progress, _, _ = train(tmp_path, monkeypatch, (10.0, 20.0, 30.0), patience=1)
    assert progress.validation == (50.0, 50.0)


def test_the_best_epoch_is_kept_over_a_stop(tmp_path: Path, config: RunConfig, data: Path) -> None:
    stop(config, data, tmp_path / "run")
    continued = train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())
    whole = train_stream(config, [make_spec(data)], tmp_path / "whole", report=Recorder())
    assert continued.task("shade").validation == whole.task("shade").validation
    assert len(whole.task("shade").validation) == 3
    assert_same_tensors(continued, whole)


def test_the_parameters_of_the_best_epoch_are_in_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, end = train(tmp_path, monkeypatch, (90.0, 10.0))
    _, _, read = train(tmp_path, monkeypatch, (90.0, 10.0))
    assert torch.equal(read, end)


def test_a_class_of_one_item_cannot_be_validated(tmp_path: Path, config: RunConfig) -> None:
    data = make_image_data(tmp_path / "few.npz", items=6)
    with pytest.raises(ConfigError, match="task 'shade': class '0' has a single item.*validation_fraction=0"):
        train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())


def test_an_epoch_is_chosen_by_what_is_reported_where_one_class_dominates(tmp_path: Path) -> None:
    held_back = TrainingItems(ITEMS.prepared[:10], np.array([0] * 9 + [1]))
    learner = make_learner()
    with torch.no_grad():
        learner.head.weight.zero_()
        learner.head.bias.copy_(torch.tensor([1.0, *[0.0] * (len(learner.head.bias) - 1)]))
    progress = train_lessons(
        make_injected("vit"),
        [Lesson(learner, ITEMS, seed=0, validation=held_back)],
        preprocessor=PREPROCESSOR,
        config=TrainingConfig(
            device="cpu",
            epochs=1,
            min_steps=0,
            learning_rate=1e-9,
            head_learning_rate=1e-9,
            weight_decay=0.0,
        ),
        resumption=Resumption(tmp_path / "checkpoint.safetensors", "mine"),
        on_epoch=Mock(),
        workers=Workers(),
    )
    assert progress.validation == (50.0,)


def test_the_time_that_the_choice_of_a_start_takes_is_counted(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose_slowly(*args: Any, **options: Any) -> Start:
        time.sleep(0.5)
        return choose_start(*args, **options)

    monkeypatch.setattr(one_task, "choose_start", choose_slowly)
    monkeypatch.setattr(one_task, "train_lessons", Mock(return_value=Progress(epochs=1, losses=(1.0,))))
    run = train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())
    assert run.task("shade").seconds >= 0.5
