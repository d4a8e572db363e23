from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load, save
from torch import nn

from edgecl.errors import RunError
from edgecl.modules import Head
from edgecl.training.checkpoint import Best, Progress, load_checkpoint, read_choice, save_checkpoint
from edgecl.training.gate import Choice, Gain
from tests.edgecl.factories import make_scale

PROGRESS = Progress(epochs=2, losses=(1.5, 0.5), seconds=3.25)


def make_state(*, steps: int, width: int = 3) -> tuple[nn.Linear, torch.optim.AdamW]:
    """Return a layer and its optimiser after some steps."""
    layer = nn.Linear(width, 2)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        layer(torch.ones(1, width)).square().sum().backward()
        optimizer.step()
    return layer, optimizer


def write(folder: Path, *, steps: int = 2, choice: Choice | None = None) -> Path:
    layer, optimizer = make_state(steps=steps)
    path = folder / "checkpoint.safetensors"
    save_checkpoint(
        path, learner=layer, optimizer=optimizer, progress=PROGRESS, identity="mine", choice=choice
    )
    return path


def read(path: Path, *, identity: str = "mine", width: int = 3) -> Progress:
    layer, optimizer = make_state(steps=0, width=width)
    return load_checkpoint(path, learner=layer, optimizer=optimizer, identity=identity)


def forge(path: Path, head: Any) -> None:
    """Replace what the checkpoint says about itself."""
    path.write_bytes(save(load(path.read_bytes()), metadata={"checkpoint": json.dumps(head)}))


def test_progress_is_read_back(tmp_path: Path) -> None:
    assert read(write(tmp_path)) == PROGRESS


def test_without_a_file_there_is_no_progress(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == Progress()


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = write(tmp_path, steps=2)
    layer, optimizer = make_state(steps=0)
    load_checkpoint(path, learner=layer, optimizer=optimizer, identity="mine")
    layer(torch.ones(1, 3)).square().sum().backward()
    optimizer.step()
    assert torch.equal(layer.weight, make_state(steps=3)[0].weight)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match="checkpoint.safetensors: the checkpoint belongs to other settings"
    ) as caught:
        read(write(tmp_path), identity="yours")
    assert "delete the file" in str(caught.value)


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    forge(path, {"format_version": 2, "identity": "mine", "epochs": 1, "losses": [], "seconds": 0})
    with pytest.raises(RunError, match="checkpoint.safetensors: "):
        read(path)


@pytest.mark.parametrize("length", [0, 7, 8, 100, 300])
def test_a_checkpoint_that_was_cut_is_refused(tmp_path: Path, length: int) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RunError, match="checkpoint.safetensors: the checkpoint is damaged .* Delete it"):
        read(path)


@pytest.mark.parametrize("head", [[], {"format_version": 1, "identity": "mine"}, None])
def test_a_checkpoint_that_does_not_say_how_far_it_came_is_refused(tmp_path: Path, head: Any) -> None:
    path = write(tmp_path)
    forge(path, head)
    with pytest.raises(RunError, match="checkpoint.safetensors: "):
        read(path)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="checkpoint.safetensors: the checkpoint is damaged"):
        read(write(tmp_path), width=4)


def test_an_optimiser_of_other_shapes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    tensors = load(path.read_bytes()) | {"optimizer.0.exp_avg": torch.zeros(5, 7)}
    with safe_open(path, framework="pt") as stored:
        path.write_bytes(save(tensors, metadata=stored.metadata()))
    with pytest.raises(RunError, match=r"checkpoint is damaged \(0.exp_avg: shape \[5, 7\]"):
        read(path)


def test_a_checkpoint_of_the_first_release_is_read(tmp_path: Path) -> None:
    """It held the buffers of the learner too, and said nothing of validation."""
    path = write(tmp_path)
    tensors = load(path.read_bytes()) | {
        "learner.head.mean": torch.zeros(3),
        "learner.head.std": torch.ones(1),
    }
    head = {"format_version": 1, "identity": "mine", "epochs": 2, "losses": [1.5, 0.5], "seconds": 3.25}
    path.write_bytes(save(tensors, metadata={"checkpoint": json.dumps(head)}))
    layer, optimizer = make_state(steps=0)
    best = Best.start(layer)
    assert load_checkpoint(path, learner=layer, optimizer=optimizer, identity="mine", best=best) == PROGRESS
    assert torch.equal(layer.weight, make_state(steps=2)[0].weight)
    assert best.tensors == {}


def test_the_best_parameters_are_read_back(tmp_path: Path) -> None:
    layer, optimizer = make_state(steps=1)
    best, path = Best.start(layer), tmp_path / "checkpoint.safetensors"
    best.keep_if_better((50.0,))
    wanted = layer.weight.detach().clone()
    torch.nn.init.zeros_(layer.weight)
    save_checkpoint(path, learner=layer, optimizer=optimizer, progress=PROGRESS, identity="mine", best=best)
    other, its_optimizer = make_state(steps=0)
    read_back = Best.start(other)
    load_checkpoint(path, learner=other, optimizer=its_optimizer, identity="mine", best=read_back)
    assert not other.weight.any()
    read_back.restore()
    assert torch.equal(other.weight, wanted)


def test_what_is_frozen_is_not_stored(tmp_path: Path) -> None:
    layer, optimizer = make_state(steps=1)
    layer.bias.requires_grad_(False)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, learner=layer, optimizer=optimizer, progress=PROGRESS, identity="mine")
    stored = load(path.read_bytes())
    assert "learner.weight" in stored
    assert "learner.bias" not in stored


def make_head(*, mean: float) -> tuple[nn.Sequential, torch.optim.AdamW]:
    """Return a learner with a head that centres features by a mean, and its optimiser."""
    learner = nn.Sequential(Head(make_scale(mean=mean, std=2.0 + mean, width=3), classes=2))
    return learner, torch.optim.AdamW(learner.parameters())


def test_a_head_goes_on_with_the_scale_that_it_was_trained_with(tmp_path: Path) -> None:
    path, (learner, optimizer), (other, its) = tmp_path / "one", make_head(mean=1.0), make_head(mean=0.0)
    save_checkpoint(path, learner=learner, optimizer=optimizer, progress=PROGRESS, identity="mine")
    load_checkpoint(path, learner=other, optimizer=its, identity="mine")
    assert all(map(torch.equal, other.buffers(), learner.buffers()))


def test_a_checkpoint_of_before_leaves_the_head_its_own_scale(tmp_path: Path) -> None:
    path, (learner, optimizer), (other, its) = tmp_path / "one", make_head(mean=1.0), make_head(mean=0.0)
    save_checkpoint(path, learner=learner, optimizer=optimizer, progress=PROGRESS, identity="mine")
    with safe_open(path, framework="pt") as stored:
        head = json.loads(stored.metadata()["checkpoint"])
    del head["choice"]
    path.write_bytes(save(load(path.read_bytes()), metadata={"checkpoint": json.dumps(head)}))
    assert load_checkpoint(path, learner=other, optimizer=its, identity="mine") == PROGRESS
    assert all(map(torch.equal, other.buffers(), make_head(mean=0.0)[0].buffers()))


@pytest.mark.parametrize(
    "choice", [Choice(), Choice("far", {"far": Gain(9.0, 1.5)}), Choice("far", {}, Gain(0.1, 0.2)), None]
)
def test_what_was_decided_about_the_start_is_read_back(tmp_path: Path, choice: Choice | None) -> None:
    assert read_choice(write(tmp_path, choice=choice), identity="mine") == choice


def test_a_checkpoint_of_before_does_not_say_what_was_decided(tmp_path: Path) -> None:
    path = write(tmp_path)
    forge(path, {"format_version": 1, "identity": "mine", "epochs": 2, "losses": [1.5, 0.5], "seconds": 3.25})
    assert read_choice(path, identity="mine") is None
    assert read_choice(tmp_path / "none", identity="mine") is None


@pytest.mark.parametrize(("identity", "choice"), [("yours", None), ("mine", {"parent": 1}), ("mine", [])])
def test_a_choice_of_something_else_is_refused(tmp_path: Path, identity: str, choice: Any) -> None:
    path = write(tmp_path)
    forge(path, {"format_version": 1, "identity": identity, "choice": choice})
    with pytest.raises(RunError, match="checkpoint.safetensors: "):
        read_choice(path, identity="mine")


@given(st.binary(max_size=256))
def test_any_bytes_are_progress_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(raw)
    with suppress(RunError):
        read(path)
