from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from edgecl.pretraining.batches import Batch, Material
from edgecl.pretraining.plan import BatchPlan
from edgecl.pretraining.pretrain import pretrain
from edgecl.pretraining.schedule import rate_factor
from tests.edgecl.pretraining.factories import Told, make_recipe, make_shards


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


def test_what_is_kept_is_the_average_and_not_the_last_weights(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "one-step", training__epochs=1 / 3)
    train(data, tmp_path / "many", training__average_decay=1 - 1e-9)
    found, expected = weights(tmp_path / "many"), weights(tmp_path / "one-step")
    assert all(np.array_equal(array, expected[name]) for name, array in found.items())


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
