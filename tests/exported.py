"""Tiny runs that were trained and exported, and what tests of exporting do to them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.kinds import Modality
from edgecl.streams import TaskSpec
from edgecl.training.run import Run
from edgecl.training.train import add_tasks, train_stream
from edgecl_devices import load_profile
from edgecl_export.bundle import Exported, export_run
from edgecl_runtime import TaskTensors
from edgecl_runtime.tensors import expected_shapes
from tests.edgecl.factories import Recorder, make_config, make_folder, make_image_data, make_text_data

if TYPE_CHECKING:
    from edgecl_export.parity import Parity
    from edgecl_runtime import Dimensions

ADDED = "scratches"


def make_data(folder: Path, modality: Modality, *, number: int = 0) -> Path:
    """Write data that differ by their number."""
    folder.mkdir(parents=True, exist_ok=True)
    if modality == "image":
        return make_image_data(folder / f"{number}.npz", classes=2 + number % 2, seed=number)
    return make_text_data(folder / f"{number}.jsonl", items=24 + 2 * number)


def make_stream(path: Path, data: Mapping[str, Path]) -> Path:
    """Write a stream file with a task per entry."""
    tables = [
        f"[[task]]\nname = {json.dumps(name)}\ndata = {json.dumps(str(at))}\n" for name, at in data.items()
    ]
    path.write_text("\n".join(['name = "tiny"', *tables]), encoding="utf-8")
    return path


def make_tensors(
    dimensions: Dimensions, *, seed: int = 0, prefix_length: int = 4, rank: int = 3, classes: int = 3
) -> TaskTensors:
    """Return random tensors, as a pack rounds them, large enough to matter."""
    random = np.random.default_rng(seed)
    shapes = expected_shapes(dimensions, prefix_length=prefix_length, rank=rank, classes=classes)
    arrays = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return TaskTensors(**arrays).rounded("F16")


def make_run(folder: Path, *, backbone: Path, data: Mapping[str, Path]) -> Run:
    """Train tasks for a few steps."""
    config = make_config(backbone, heldout_items=6)
    return train_stream(
        config, [TaskSpec(name=name, data=path) for name, path in data.items()], folder, report=Recorder()
    )


def add_task(run: Run, data: Path, *, name: str = ADDED) -> Run:
    """Train one more task into a run."""
    return add_tasks(run.folder, [TaskSpec(name=name, data=data)], report=Recorder())


def export(run: Run, out: Path, **options: Any) -> tuple[Exported, list[Parity]]:
    """Export a run, and return what was written together with what the gate said while it ran."""
    said: list[Parity] = []
    exported = export_run(run, out, device=load_profile("generic-cpu"), on_parity=said.append, **options)
    return exported, said


@dataclass(frozen=True, slots=True)
class Field:
    """A run and its exported bundle, shared by all tests: copy what a test changes.

    Attributes:
        folder: Holds all of it.
        modality: Of the backbone.
        tasks: Their names, in the order of training.
        exported: What the export returned.
        said: What the gate said while it ran.
    """

    folder: Path
    modality: Modality
    tasks: tuple[str, ...]
    exported: Exported
    said: tuple[Parity, ...]

    @property
    def backbone(self) -> Path:
        """The `transformers` folder."""
        return self.folder / "backbone"

    @property
    def bundle(self) -> Path:
        """The exported bundle."""
        return self.folder / "bundle"

    @property
    def stream(self) -> Path:
        """The stream file."""
        return self.folder / "stream.toml"

    @property
    def run(self) -> Run:
        """The run; not to be changed."""
        return Run.open(self.folder / "run")

    def load(self) -> Backbone:
        """Return the backbone as it is trained with."""
        return load_backbone(str(self.backbone))

    def pack(self, task: str) -> Path:
        """Return the pack of a task."""
        return self.bundle / "packs" / f"{task}-1.ecpack"

    def copy_run(self, folder: Path) -> Run:
        """Return a copy of the run that a test may change."""
        return Run.open(shutil.copytree(self.folder / "run", folder / "run"))

    def copy_bundle(self, folder: Path) -> Path:
        """Return a copy of the bundle that a test may change."""
        return shutil.copytree(self.bundle, folder / "bundle")


def make_field(folder: Path, family: str, *, tasks: Sequence[str] = ("only",), pooling: str = "cls") -> Field:
    """Train tiny tasks on a tiny backbone of a family, and export them."""
    modality: Modality = "text" if family == "bert" else "image"
    backbone = make_folder(folder / "backbone", family)
    if pooling == "mean":
        (backbone / "1_Pooling").mkdir()
        declared = {"pooling_mode_mean_tokens": True}
        (backbone / "1_Pooling" / "config.json").write_text(json.dumps(declared), encoding="utf-8")
    data = {name: make_data(folder / "data", modality, number=place) for place, name in enumerate(tasks)}
    make_stream(folder / "stream.toml", data)
    run = make_run(folder / "run", backbone=backbone, data=data)
    exported, said = export(run, folder / "bundle")
    return Field(folder, modality, tuple(tasks), exported, tuple(said))


def reuse_graph(
    monkeypatch: pytest.MonkeyPatch, graph: Path, *, change: Callable[[Path], object] | None = None
) -> None:
    """Let exports take a graph that was exported before, perhaps changed: tracing is what takes long."""

    def copy(_: object, path: Path) -> None:
        shutil.copy(graph, path)
        if change is not None:
            change(path)

    monkeypatch.setattr("edgecl_export.bundle.export_graph", copy)


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
