from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from edgecl.config import RunConfig
from edgecl.errors import RunError
from edgecl.modules import FeatureScale
from edgecl.training.checkpoint import Progress
from edgecl.training.gate import Gain
from edgecl.training.run import Run
from edgecl.training.schedule import Schedule
from edgecl.training.train import add_tasks, train_stream
from tests.edgecl.factories import (
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)

ROOT = Path(__file__).resolve().parents[3]


class PowerCutError(Exception):
    """Ends a training in the same process."""


class Stopper(Recorder):
    """Stops training after an epoch."""

    def __init__(self, *, after: int = 1) -> None:
        super().__init__()
        self.after = after

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        if progress.epochs == self.after:
            raise PowerCutError


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return make_config(make_image_folder(tmp_path / "vit"), epochs=3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def stop(config: RunConfig, data: Path, folder: Path) -> Path:
    """Train for one epoch and return the checkpoint."""
    with pytest.raises(PowerCutError):
        train_stream(config, [make_spec(data)], folder, report=Stopper())
    return folder / "tasks" / "shade" / "checkpoint.safetensors"


def assert_same_tensors(found: Run, expected: Run, task: str = "shade") -> None:
    pairs = zip(found.tensors(task).items(), expected.tensors(task).items(), strict=True)
    assert all(np.array_equal(one, other) for (_, one), (_, other) in pairs)


def test_a_killed_run_ends_with_the_tensors_of_one_that_was_not(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    module = "tests.edgecl.training.killed_training"
    arguments = [str(tmp_path / "killed"), str(data), msgspec.json.encode(config).decode()]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    died = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=os.environ | threads, check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert (tmp_path / "killed" / "tasks" / "shade" / "checkpoint.safetensors").exists()
    report = Recorder()
    continued = train_stream(config, [make_spec(data)], tmp_path / "killed", report=report)
    assert report.epochs == [("shade", 1), ("shade", 2), ("shade", 3)]
    assert_same_tensors(
        continued, train_stream(config, [make_spec(data)], tmp_path / "whole", report=Recorder())
    )


def test_a_continued_task_keeps_the_losses_of_all_epochs(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    stop(config, data, tmp_path / "run")
    continued = train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())
    whole = train_stream(config, [make_spec(data)], tmp_path / "whole", report=Recorder())
    assert continued.task("shade").losses == whole.task("shade").losses
    assert len(whole.task("shade").losses) == 3


def test_a_task_that_was_being_added_is_continued(tmp_path: Path, config: RunConfig, data: Path) -> None:
    train_stream(config, [make_spec(data, name="first")], tmp_path / "run", report=Recorder())
    with pytest.raises(PowerCutError):
        add_tasks(tmp_path / "run", [make_spec(data)], report=Stopper())
    report = Recorder()
    add_tasks(tmp_path / "run", [make_spec(data)], report=report)
    assert report.epochs[0] == ("shade", 1)


def test_a_stopped_task_is_not_finished(tmp_path: Path, config: RunConfig, data: Path) -> None:
    stop(config, data, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.tasks == ()
    assert run.metrics()["average_accuracy"] is None


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path, config: RunConfig, data: Path) -> None:
    stop(config, data, tmp_path / "run")
    make_image_data(data, seed=9)
    with pytest.raises(
        RunError, match="checkpoint.safetensors: the checkpoint belongs to other settings, data"
    ):
        train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path, config: RunConfig, data: Path) -> None:
    moved = stop(config, data, tmp_path / "one").read_bytes()
    other = msgspec.structs.replace(config, seed=1)
    target = stop(other, data, tmp_path / "two")
    target.write_bytes(moved)
    with pytest.raises(RunError, match="checkpoint.safetensors: the checkpoint belongs to other settings"):
        train_stream(other, [make_spec(data)], tmp_path / "two", report=Recorder())


def test_a_damaged_checkpoint_is_named(tmp_path: Path, config: RunConfig, data: Path) -> None:
    stop(config, data, tmp_path / "run").write_bytes(b"torn")
    with pytest.raises(RunError, match="checkpoint.safetensors: the checkpoint is damaged"):
        train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())


def stop_the_second(config: RunConfig, data: Path, folder: Path) -> Path:
    """Train a task, and another for one epoch; return its checkpoint."""
    train_stream(config, [make_spec(data, name="first")], folder, report=Recorder())
    with pytest.raises(PowerCutError):
        add_tasks(folder, [make_spec(data)], report=Stopper())
    return folder / "tasks" / "shade" / "checkpoint.safetensors"


def test_a_stopped_task_goes_on_from_where_it_started(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = changed(config, transfer={"start": "gated", "learning_rate_factor": 0.5})
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"first": Gain(9.0, 1.0)})
    stop_the_second(config, data, tmp_path / "run")
    whole = train_stream(
        config, [make_spec(data, name="first"), make_spec(data)], tmp_path / "whole", report=Recorder()
    )
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"first": Gain(-9.0, 1.0)})
    continued = add_tasks(tmp_path / "run", [make_spec(data)], report=Recorder())
    record = continued.task("shade")
    assert (record.parent, record.parent_gains) == ("first", {"first": Gain(9.0, 1.0)})
    assert record.parent_evidence == Gain(9.0, 1.0)
    assert_same_tensors(continued, whole)


def test_a_stopped_task_keeps_the_scale_of_its_head(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(config, data, tmp_path / "run")
    whole = train_stream(config, [make_spec(data)], tmp_path / "whole", report=Recorder())
    elsewhere = Mock(return_value=FeatureScale(torch.zeros(64), torch.tensor(9.0)))
    monkeypatch.setattr(FeatureScale, "measure", elsewhere)
    assert_same_tensors(train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder()), whole)


def test_a_task_whose_checkpoint_does_not_say_where_it_started_asks_the_gate(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"first": Gain(9.0, 1.0)})
    path = stop_the_second(changed(config, transfer={"start": "gated"}), data, tmp_path / "run")
    with safe_open(path, framework="pt") as stored:
        head = json.loads(stored.metadata()["checkpoint"])
    del head["choice"]
    path.write_bytes(save(load(path.read_bytes()), metadata={"checkpoint": json.dumps(head)}))
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"first": Gain(-9.0, 1.0)})
    report = Recorder()
    run = add_tasks(tmp_path / "run", [make_spec(data)], report=report)
    assert (report.epochs[0], run.task("shade").parent) == (("shade", 1), None)


@pytest.mark.parametrize("method", ["adaprefix++", "shared"])
def test_a_task_that_builds_on_earlier_ones_is_not_continued_after_another(
    tmp_path: Path, config: RunConfig, data: Path, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder, between = (
        tmp_path / "run",
        make_spec(make_image_data(tmp_path / "between.npz", seed=3), name="between"),
    )
    checkpoint = stop_the_second(changed(config, method={"name": method}), data, folder)
    add_tasks(folder, [between], report=Recorder())
    assert "task 'shade' was stopped and builds on the tasks before it" in caplog.text
    with pytest.raises(
        RunError, match=r"begun after first, expected one begun after first, between.* Delete the file"
    ):
        add_tasks(folder, [make_spec(data)], report=Recorder())
    checkpoint.unlink()
    assert add_tasks(folder, [make_spec(data)], report=Recorder()).names == ("first", "between", "shade")


def test_a_first_task_that_others_build_on_is_not_continued_after_another(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    stop(changed(config, method={"name": "adaprefix++"}), data, tmp_path / "run")
    add_tasks(tmp_path / "run", [make_spec(data, name="between")], report=Recorder())
    with pytest.raises(RunError, match="begun after none, expected one begun after between"):
        add_tasks(tmp_path / "run", [make_spec(data)], report=Recorder())


def test_a_task_of_its_own_is_continued_after_another(tmp_path: Path, config: RunConfig, data: Path) -> None:
    stop_the_second(config, data, tmp_path / "run")
    add_tasks(tmp_path / "run", [make_spec(data, name="between")], report=Recorder())
    report = Recorder()
    add_tasks(tmp_path / "run", [make_spec(data)], report=report)
    assert report.epochs[0] == ("shade", 1)


def test_a_run_that_lost_what_later_tasks_build_on_does_not_start_anew(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    config = changed(config, method={"name": "adaprefix++"})
    run = train_stream(config, [make_spec(data)], tmp_path / "run", report=Recorder())
    (run.task_folder("shade") / "method.safetensors").unlink()
    with pytest.raises(RunError, match="what later tasks build on is not complete .*Restore the run folder"):
        add_tasks(run.folder, [make_spec(data, name="more")], report=Recorder())
