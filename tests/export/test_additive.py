"""A run whose prefixes act by an attention of their own goes the whole way, and does not mix with the other kind."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgecl.streams import TaskSpec
from edgecl.training.run import Run
from edgecl.training.train import train_stream
from edgecl_export.bundle import add_pack
from edgecl_export.errors import ExportMismatchError
from edgecl_runtime import Runtime
from tests.edgecl.factories import Recorder, make_config, make_image_data, make_image_folder
from tests.exported import export


def train(folder: Path, attention: str) -> Run:
    config = make_config(folder / "backbone", heldout_items=6)
    method = msgspec.structs.replace(config.method, attention=attention)
    config = msgspec.structs.replace(config, method=method)
    spec = TaskSpec(name="shade", data=folder / "shade.npz")
    return train_stream(config, [spec], folder / f"run-{attention}", report=Recorder())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone, data, and an exported run with additive attention."""
    folder = tmp_path_factory.mktemp("additive")
    make_image_folder(folder / "backbone")
    make_image_data(folder / "shade.npz")
    exported, _ = export(train(folder, "additive"), folder / "bundle")
    assert not exported.refused
    return folder


def test_the_bundle_and_its_packs_name_the_variant(folder: Path) -> None:
    runtime = Runtime.open(folder / "bundle")
    assert runtime.bundle.attention == runtime.pack("shade").manifest.attention == "additive"


def test_without_a_task_the_graph_works(folder: Path) -> None:
    features = Runtime.open(folder / "bundle").features([np.zeros((8, 8, 3), np.uint8)])
    assert np.isfinite(features).all()


def test_a_task_with_another_attention_is_refused(folder: Path, tmp_path: Path) -> None:
    run = train(folder, "concat")
    with pytest.raises(ExportMismatchError, match="its attention is additive, but .* with concat"):
        add_pack(run, "shade", bundle_folder=folder / "bundle", out=tmp_path / "shade-1.ecpack", version=1)
    assert not list(tmp_path.iterdir())


def test_a_comparison_that_never_ships_is_not_exported(folder: Path, tmp_path: Path) -> None:
    config = make_config(folder / "backbone")
    config = msgspec.structs.replace(config, method=msgspec.structs.replace(config.method, name="shared"))
    spec = TaskSpec(name="shade", data=folder / "shade.npz")
    run = train_stream(config, [spec], tmp_path / "run", report=Recorder())
    with pytest.raises(ExportMismatchError, match="'shared', a comparison .* Train with adaprefix"):
        export(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
