from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from edgecl.config import MethodConfig, RunConfig, TrainingConfig
from edgecl.errors import RunError
from edgecl.methods import TaskLearner
from edgecl.methods.adaprefix import AdaPrefix, AdaPrefixTask
from edgecl.methods.adaprefix_pp import AdaPrefixPP
from edgecl.training.checkpoint import Progress
from edgecl.training.loop import (
    Lesson,
    Resumption,
    TrainingItems,
    autocast,
    choose_device,
    task_seed,
    train_lessons,
)
from edgecl.training.workers import Workers
from edgecl_runtime.preprocess import ImagePreprocessing, Preprocessor, build_preprocessor
from tests.edgecl.factories import DIMENSIONS, make_injected, make_new_task, make_scale, make_settings

HALF = (0.5, 0.5, 0.5)
PREPROCESSOR = build_preprocessor(
    ImagePreprocessing(size=32, resize="exact", resize_to=32, interpolation="nearest", mean=HALF, std=HALF),
    folder=Path(),
)
ITEMS = TrainingItems(
    [np.full((32, 32, 3), shade, np.uint8) for shade in range(0, 240, 10)], np.arange(24) // 12
)


RECIPE = {"epochs": 2, "min_steps": 0, "batch_size": 8, "learning_rate": 5e-3, "weight_decay": 0.0}
"""Of a task that is trained without a run, which would fill in what is not named."""


def make_learner(*, rank: int = 2, prefix_length: int = 3) -> AdaPrefixTask:
    method = AdaPrefix(RunConfig(method=MethodConfig(rank=rank, prefix_length=prefix_length)), DIMENSIONS)
    return method.begin_task(make_new_task(scale=make_scale(), generator=torch.Generator().manual_seed(0)))


def train(
    folder: Path,
    learner: TaskLearner,
    *,
    preprocessor: Preprocessor = PREPROCESSOR,
    **recipe: Any,
) -> tuple[Progress, list[int]]:
    """Return the progress, and the finished epochs of which the caller was told."""
    settings = {**RECIPE, "device": "cpu", **recipe}
    told: list[int] = []
    folder.mkdir(exist_ok=True)
    progress = train_lessons(
        make_injected("vit"),
        [Lesson(learner, ITEMS, seed=0)],
        preprocessor=preprocessor,
        config=TrainingConfig(**settings),
        resumption=Resumption(folder / "checkpoint.safetensors", "mine"),
        on_epoch=lambda progress, _: told.append(progress.epochs),
        workers=Workers(),
    )
    return progress, told


def test_the_seed_of_a_task_depends_on_the_run_and_on_its_name_alone() -> None:
    assert task_seed(0, "leaves") == task_seed(0, "leaves")
    assert len({task_seed(0, "leaves"), task_seed(1, "leaves"), task_seed(0, "steel")}) == 3


def test_the_seed_of_a_task_is_that_of_the_first_release() -> None:
    """Another value would train other tensors from the same settings."""
    assert task_seed(0, "leaves") == 1206482016


def test_the_loss_falls(tmp_path: Path) -> None:
    progress, _ = train(tmp_path, make_learner(), epochs=8)
    assert progress.losses[-1] < 0.5 * progress.losses[0]


def test_the_first_loss_is_that_of_guessing(tmp_path: Path) -> None:
    progress, _ = train(tmp_path, make_learner(), epochs=1, batch_size=24)
    assert progress.losses == pytest.approx([np.log(2)])


@pytest.mark.parametrize(("double_softmax", "is_bounded"), [(True, True), (False, False)])
def test_a_second_softmax_bounds_the_loss_from_below(
    tmp_path: Path, *, double_softmax: bool, is_bounded: bool
) -> None:
    progress, _ = train(
        tmp_path, make_learner(), epochs=20, head_learning_rate=0.1, double_softmax=double_softmax
    )
    assert (
        progress.losses[-1] > np.log1p(np.exp(-1))
    ) == is_bounded  # of two classes, all of it on the right one


def test_the_caller_is_told_at_the_start_and_after_every_epoch(tmp_path: Path) -> None:
    progress, told = train(tmp_path, make_learner(), epochs=3)
    assert told == [0, 1, 2, 3]
    assert (progress.epochs, len(progress.losses)) == (3, 3)
    assert progress.seconds > 0


def test_every_epoch_sees_every_item_in_an_order_of_its_own(tmp_path: Path) -> None:
    spy = Mock(wraps=PREPROCESSOR)
    train(tmp_path, make_learner(), preprocessor=spy, epochs=2, batch_size=24)
    first, second = ([int(item[0, 0, 0]) for item in call.args[0]] for call in spy.batch.call_args_list)
    assert sorted(first) == sorted(second) == list(range(0, 240, 10))
    assert first != second


def test_a_small_task_is_trained_for_the_least_number_of_steps(tmp_path: Path) -> None:
    assert train(tmp_path, make_learner(), epochs=1, batch_size=8, min_steps=10)[0].epochs == 4


@pytest.mark.parametrize(("rank", "prefix_length"), [(2, 0), (0, 3), (0, 0)])
def test_adapters_and_prefixes_may_be_absent(tmp_path: Path, rank: int, prefix_length: int) -> None:
    progress, _ = train(tmp_path, make_learner(rank=rank, prefix_length=prefix_length), epochs=4)
    assert progress.losses[-1] < progress.losses[0]


def test_training_ends_with_the_epoch_that_diverged(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"one: training diverged in epoch [2-8] \(mean loss nan\).* lower"):
        train(tmp_path / "one", make_learner(), epochs=9, batch_size=24, learning_rate=1e30)


def test_every_parameter_is_trained(tmp_path: Path) -> None:
    learner, start = make_learner(), dict(make_learner().named_parameters())
    train(tmp_path, learner)
    assert [name for name, found in learner.named_parameters() if torch.equal(found, start[name])] == []


def test_the_rate_follows_the_schedule(tmp_path: Path) -> None:
    steady, falling = make_learner(), make_learner()
    train(tmp_path / "steady", steady, warmup_fraction=0.0, final_fraction=1.0)
    train(tmp_path / "falling", falling, warmup_fraction=0.0, final_fraction=0.0)
    assert steady.head.weight.detach().norm() > 1.2 * falling.head.weight.detach().norm()


def test_weight_decay_shrinks_what_is_a_tasks_own_and_nothing_that_generates(tmp_path: Path) -> None:
    settings = make_settings("adaprefix++")
    learner = AdaPrefixPP(settings, DIMENSIONS).begin_task(make_new_task(scale=make_scale()))
    sizes = {name: float(found.detach().abs().max()) for name, found in learner.named_parameters()}
    generating = {id(parameter) for parameter in (learner.embedding, *learner.network.parameters())}
    train(
        tmp_path, learner, learning_rate=0.01, head_learning_rate=0.01, weight_decay=100.0
    )  # 1 - rate * decay = 0
    for name, found in learner.named_parameters():
        size = float(found.detach().abs().max())
        assert size > 0.5 * sizes[name] if id(found) in generating else size < 0.02


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    """AdamW forgives a scale, not a norm far below its epsilon."""
    learner = make_learner()
    train(tmp_path, learner, epochs=1, clip_norm=1e-12)
    assert float(learner.head.weight.detach().abs().max()) < 1e-4


def test_bfloat16_trains_float32_parameters(tmp_path: Path) -> None:
    learner = make_learner()
    progress, _ = train(tmp_path, learner, precision="bf16", epochs=4)
    assert progress.losses[-1] < progress.losses[0]
    assert {parameter.dtype for parameter in learner.parameters()} == {torch.float32}


def test_auto_is_full_precision_on_a_processor() -> None:
    with autocast("auto", torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize(("has_gpu", "kind"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch, has_gpu: bool, kind: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert choose_device("auto").type == kind
    assert choose_device("cpu").type == "cpu"
