"""Run folders that earlier versions wrote are opened, continued from where they were stopped, and reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from edgecl.config import BackboneConfig, RunConfig
from edgecl.report import write_report
from edgecl.streams import TaskSpec
from edgecl.training.run import Run
from edgecl.training.train import add_tasks, train_stream
from tests.edgecl.factories import Recorder

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "runs"
"""`first` is AdaPrefix as run folders held it at first, `second` AdaPrefix++ from when their files had got digests."""

NAMES = ("one", "two", "three")
VERSIONS = ("first", "second")


@pytest.fixture(params=VERSIONS)
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """A run that was stopped in its third task, after one of two epochs."""
    shutil.copytree(GOLDEN / request.param, tmp_path / "run")
    return Run.open(tmp_path / "run")


def spec(name: str) -> TaskSpec:
    return TaskSpec(name=name, data=GOLDEN / "data" / f"{name}.npz")


def settings(run: Run) -> RunConfig:
    """Return the settings of a run, with the backbone where it lies now."""
    return msgspec.structs.replace(run.record.config, backbone=BackboneConfig(source=str(GOLDEN / "vit")))


def stored(run: Run, name: str) -> bytes:
    return (run.task_folder(name) / "tensors.safetensors").read_bytes()


def test_its_tasks_are_read(run: Run) -> None:
    assert run.names == ("one", "two")
    assert [run.task(name).score for name in run.names] == [run.task(name).accuracy for name in run.names]
    assert all(len(run.heldout(name).targets) == 2 for name in run.names)
    assert run.tensors("two").prefix_k.shape == (2, 2, 2, 4)


def test_the_task_that_was_stopped_is_continued_and_no_other_is_changed(run: Run) -> None:
    before, report = [stored(run, name) for name in run.names], Recorder()
    train_stream(settings(run), [spec(name) for name in NAMES], run.folder, report=report)
    assert run.names == NAMES
    assert report.epochs[0] == ("three", 1)
    assert [stored(run, name) for name in NAMES[:2]] == before


def test_a_task_is_added(run: Run) -> None:
    (run.task_folder("three") / "checkpoint.safetensors").unlink()
    again = TaskSpec(name="again", data=GOLDEN / "data" / "three.npz")
    added = add_tasks(run.folder, [again], report=Recorder(), backbone_source=str(GOLDEN / "vit"))
    assert added.names == ("one", "two", "again")


def test_it_is_reported(run: Run, tmp_path: Path) -> None:
    page = write_report([run], tmp_path / "report").read_text(encoding="utf-8")
    assert all(name in page for name in run.names)
