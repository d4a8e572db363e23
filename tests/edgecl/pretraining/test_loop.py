from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from edgecl.errors import RunError
from edgecl.pretraining.average import RunningAverage
from edgecl.pretraining.batches import Batch, Material
from edgecl.pretraining.plan import BatchPlan
from edgecl.pretraining.pretrain import pretrain
from edgecl.pretraining.schedule import rate_factor
from edgecl.pretraining.student import Student
from tests.edgecl.pretraining.factories import Told, make_recipe, make_shards

COMPILER = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
"""Torch warns of itself when it imports its compiler."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("data"))


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[BatchPlan]:
    """The plan of every step that is trained."""
    seen: list[BatchPlan] = []
    original = Material.batch

    def spied(material: Material, plan: BatchPlan, own: NDArray[np.int64]) -> Batch:
        seen.append(plan)
        return original(material, plan, own)

    monkeypatch.setattr(Material, "batch", spied)
    return seen


def train(data: Path, folder: Path, **settings: Any) -> Told:
    told = Told()
    folder.mkdir()
    pretrain(make_recipe(folder.parent, **settings), data, folder / "out", report=told)
    return told


def weights(folder: Path) -> dict[str, NDArray[np.floating[Any]]]:
    return load_file(folder / "out" / "model.safetensors")


def test_an_image_is_seen_in_another_way_each_time(
    data: Path, tmp_path: Path, plans: list[BatchPlan]
) -> None:
    train(data, tmp_path / "a", training__batch_size=24, training__epochs=3)
    assert len({tuple(plan.views.flatten().tolist()) for plan in plans}) == 3


def test_every_image_is_seen_once_per_pass(data: Path, tmp_path: Path, plans: list[BatchPlan]) -> None:
    train(data, tmp_path / "a", training__epochs=2)
    rows = np.concatenate([plan.rows.numpy() for plan in plans]).reshape(2, 24)
    np.testing.assert_array_equal(np.sort(rows), np.tile(np.arange(24), (2, 1)))


def test_patches_are_dropped_up_to_the_last_part(data: Path, tmp_path: Path, plans: list[BatchPlan]) -> None:
    train(data, tmp_path / "a", training__kept_patches=0.25, training__all_patches_from=0.5)
    seen = [16 if plan.kept is None else plan.kept.shape[1] for plan in plans]
    assert seen == [4, 4, 4, 16, 16, 16]


def test_the_learning_rate_follows_its_curve(data: Path, tmp_path: Path) -> None:
    told = train(data, tmp_path / "a", training__round_steps=1, training__warmup_fraction=0.5)
    rates = [each.learning_rate for each in told.rounds]
    assert rates == pytest.approx([1e-3 * rate_factor(step / 6, 0.5) for step in range(6)])
    assert [each.done for each in told.rounds] == pytest.approx([step / 6 for step in range(1, 7)])


def test_what_is_kept_is_the_average_and_not_the_last_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[torch.Tensor] = []
    original = RunningAverage.update_parameters

    def spied(average: RunningAverage, student: Student) -> None:
        taken.append(student.backbone.embeddings.cls_token.detach().flatten().clone())
        original(average, student)

    monkeypatch.setattr(RunningAverage, "update_parameters", spied)
    train(data, tmp_path / "a", training__epochs=1, training__average_decay=0.999)
    expected = 3 / 12 * (2 / 11 * taken[0] + 9 / 11 * taken[1]) + 9 / 12 * taken[2]
    stored = weights(tmp_path / "a")["embeddings.cls_token"].flatten()
    assert np.array_equal(stored, expected.half().numpy())
    assert not np.array_equal(stored, taken[2].half().numpy())


@pytest.mark.long
@COMPILER
def test_a_compiled_student_takes_the_same_steps(data: Path, tmp_path: Path) -> None:
    plain = train(data, tmp_path / "plain", training__epochs=1)
    compiled = train(data, tmp_path / "compiled", training__epochs=1, training__compile=True)
    assert [each.loss for each in compiled.rounds] == pytest.approx([each.loss for each in plain.rounds])
    assert any((tmp_path / "compiled" / "out" / "training" / "compiled").rglob("*.so"))


def missing(graph: object, inputs: object) -> None:
    raise RuntimeError("No working C++ compiler found")


def test_without_a_compiler_the_setting_that_needs_one_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=missing))
    with pytest.raises(RunError, match=r"cannot be compiled .*--set training.compile=false"):
        train(data, tmp_path / "a", training__compile=True)


def test_half_precision_is_near_to_full(data: Path, tmp_path: Path) -> None:
    full, half = (train(data, tmp_path / name, training__precision=name) for name in ("fp32", "bf16"))
    losses = [each.loss for each in half.rounds]
    assert losses == pytest.approx([each.loss for each in full.rounds], rel=0.01)
    assert losses != [each.loss for each in full.rounds]


def test_only_matrices_decay(data: Path, tmp_path: Path) -> None:
    strong = {
        "training__weight_decay": 1e5,
        "training__learning_rate": 1e-3,
    }  # the first step has a rate of 1e-5
    train(data, tmp_path / "a", training__epochs=1 / 3, **strong)
    stored = weights(tmp_path / "a")
    assert all(np.abs(array).max() < 1e-4 for array in stored.values() if array.ndim == 2)
    assert all(
        array.min() > 0.99 for name, array in stored.items() if "layernorm" in name and "weight" in name
    )
