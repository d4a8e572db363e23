from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from edgecl.config import RunConfig, TrainingConfig, TransferConfig
from edgecl.errors import ConfigError, DataError
from edgecl.training.checkpoint import Progress
from edgecl.training.gate import Gain
from edgecl.training.logs import EVENT_FILES, Reports, TrainingLogs, epoch_numbers, task_numbers
from edgecl.training.records import TaskRecord
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
from tests.edgecl.training.test_resume import PowerCutError, Stopper

SCHEDULE = Schedule(steps_per_epoch=4, epochs=2, warmup_steps=4, final_fraction=0.0)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = make_config(make_image_folder(tmp_path / "vit"), epochs=3, validation_fraction=0.2)
    return changed(
        config, method={"name": "adaprefix++"}, transfer={"start": "gated"}, evaluation={"floors": True}
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def train(config: RunConfig, data: Path, folder: Path, *names: str) -> Run:
    """Train tasks of these names on the same data, with logs."""
    with TrainingLogs(folder) as logs:
        return train_stream(config, [make_spec(data, name=name) for name in names], folder, report=logs)


def points(logs: Path, name: str) -> list[tuple[int, Any]]:
    """Return steps and values of a curve."""
    found = EventAccumulator(str(logs))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars(name)]


def curve(*values: float) -> list[tuple[int, Any]]:
    """Return what `points` finds of values at the steps 1, 2, ..."""
    return [(step, pytest.approx(value)) for step, value in enumerate(values, start=1)]


def make_record(**changes: Any) -> TaskRecord:
    return TaskRecord(
        "shade", 0, ("a", "b"), "shade.npz", "00", 8, 4, 75.0, (1.0, 0.5), 8, 1.0, {}, **changes
    )


def test_curves_of_a_task_are_those_of_its_record(tmp_path: Path, config: RunConfig, data: Path) -> None:
    record = train(config, data, tmp_path / "run", "shade").task("shade")
    logs = tmp_path / "run" / "logs" / "shade"
    assert points(logs, "loss") == curve(*record.losses)
    assert points(logs, "validation_accuracy") == curve(*record.validation)
    assert len(record.losses) == len(record.validation) == 3


def test_what_tasks_reached_is_drawn_over_the_stream(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, data, tmp_path / "run", "first", "second")
    logs, (first, second) = run.folder / "logs", run.tasks
    assert points(logs, "score") == curve(first.score, second.score)
    assert points(logs, "best_floor") == curve(first.best_floor or 0, second.best_floor or 0)
    assert points(logs, "parent_gain/first") == [(2, pytest.approx(second.parent_gains["first"].points))]


def test_drift_is_drawn_where_tasks_were_tested_again(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, data, tmp_path / "run", "first", "second")
    after = run.after("second")
    assert after is not None
    assert after.drift["first"] > 0
    assert points(run.folder / "logs", "drift/first") == [(2, pytest.approx(after.drift["first"]))]


def test_a_task_that_is_taken_up_again_has_every_epoch_once(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    with pytest.raises(PowerCutError), TrainingLogs(tmp_path / "run") as logs:
        train_stream(config, [make_spec(data)], tmp_path / "run", report=Reports(logs, Stopper(after=2)))
    stopped = points(tmp_path / "run" / "logs" / "shade", "loss")
    record = train(config, data, tmp_path / "run", "shade").task("shade")
    assert stopped == curve(*record.losses[:2])
    assert points(tmp_path / "run" / "logs" / "shade", "loss") == curve(*record.losses)
    assert len(list((tmp_path / "run" / "logs" / "shade").glob(EVENT_FILES))) == 1


def test_a_run_that_was_trained_without_logs_gets_those_of_its_tasks(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train_stream(config, [make_spec(data, name="first")], tmp_path / "run", report=Recorder())
    with TrainingLogs(tmp_path / "run") as logs:
        run = add_tasks(tmp_path / "run", [make_spec(data, name="second")], report=logs)
    assert points(run.folder / "logs", "score") == curve(*(task.score for task in run.tasks))


def test_tasks_that_are_learned_at_once_share_a_curve(tmp_path: Path, config: RunConfig, data: Path) -> None:
    jointly = changed(config, method={"jointly": True}, transfer={"start": "identity"})
    run = train(jointly, data, tmp_path / "run", "first", "second")
    assert points(run.folder / "logs" / "all-tasks", "loss") == curve(*run.tasks[0].losses)


def test_nothing_is_written_where_no_run_was_made(tmp_path: Path, config: RunConfig) -> None:
    with pytest.raises(DataError), TrainingLogs(tmp_path / "run") as logs:
        train_stream(config, [make_spec(tmp_path / "none.npz")], tmp_path / "run", report=logs)
    assert not (tmp_path / "run").exists()


def test_rates_are_those_of_the_last_step_of_an_epoch() -> None:
    config = RunConfig(training=TrainingConfig(learning_rate=0.5, head_learning_rate=0.25))
    numbers = epoch_numbers(0, Progress(2, (1.0, 0.5)), SCHEDULE, config)
    assert numbers == {"loss": 1.0, "learning_rate/head": 0.25, "learning_rate/modules": 0.5}


def test_a_rate_that_depends_on_the_start_is_left_out() -> None:
    transfer = TransferConfig(start="gated", learning_rate_factor=0.1)
    config = RunConfig(training=TrainingConfig(learning_rate=0.5), transfer=transfer)
    assert "learning_rate/modules" not in epoch_numbers(0, Progress(1, (1.0,)), SCHEDULE, config)


def test_what_was_not_measured_is_not_drawn() -> None:
    assert task_numbers(make_record()) == {"score": 75.0}


def test_gains_are_drawn_by_candidate() -> None:
    numbers = task_numbers(make_record(parent_gains={"hues": Gain(points=2.5, error=1.0)}))
    assert numbers["parent_gain/hues"] == 2.5


def test_every_report_is_told_everything() -> None:
    one, other = Recorder(), Recorder()
    both = Reports(one, other)
    both.checking("shade", 1, 2)
    both.epoch("shade", Progress(1, (1.0,)), SCHEDULE)
    both.finished(make_record())
    assert one.checked == other.checked == [("shade", 1, 2)]
    assert one.epochs == other.epochs == [("shade", 1)]
    assert one.records == other.records == [make_record()]


def test_without_tensorboard_the_way_to_install_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        TrainingLogs(tmp_path)
