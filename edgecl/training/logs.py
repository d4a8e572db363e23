"""What TensorBoard shows of a run, written while its tasks are trained.

RUN/logs/TASK   by epoch, from 1: `loss`, `validation_accuracy`, `learning_rate/modules`, `learning_rate/head`
RUN/logs        by place in the stream, from 1: `score`, `best_floor`, `parent_gain/CANDIDATE`, `drift/TASK`
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from edgecl.errors import ConfigError
from edgecl.training.records import AfterTask, TaskRecord
from edgecl.training.run import Run

if TYPE_CHECKING:
    from edgecl.config import RunConfig
    from edgecl.training.checkpoint import Progress
    from edgecl.training.schedule import Schedule
    from edgecl.training.train import TrainingReport

EVENT_FILES = "events.out.tfevents.*"


class Reports:
    """A training report that tells others; without any it is silent."""

    def __init__(self, *reports: TrainingReport) -> None:
        self._reports = reports

    def checking(self, task: str, done: int, total: int) -> None:
        """So many items of a task were read and decoded."""
        for report in self._reports:
            report.checking(task, done, total)

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        """An epoch ended, or a task started or was taken up again."""
        for report in self._reports:
            report.epoch(task, progress, schedule)

    def finished(self, record: TaskRecord) -> None:
        """A task was trained, measured and stored."""
        for report in self._reports:
            report.finished(record)

    def testing(self, after: str, done: int, total: int) -> None:
        """So many of the tasks that are tested again after a task were tested."""
        for report in self._reports:
            report.testing(after, done, total)


class TrainingLogs:
    """A training report that writes event files into a run folder.

    Checkpoints and records hold all that is written, so a command that continues a run writes its numbers anew from
    the first, in place of what the stopped one left: no step is there twice, and none is missing.
    """

    def __init__(self, run: Path) -> None:
        """Write nothing yet.

        Args:
            run: The run folder, made or not.

        Raises:
            ConfigError: TensorBoard is not installed.
        """
        self._run, self._writer_type = run, summary_writer()
        self._writers: dict[Path, Any] = {}
        self._epochs: dict[str, int] = {}
        self._written: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:  # earlier tasks are tested again after the last one was reported
            self._catch_up()
        for writer in self._writers.values():
            writer.close()

    def checking(self, task: str, done: int, total: int) -> None:
        """Write nothing."""

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        """Write the epochs that are new; all of them where a task is taken up again."""
        writer = self._writer(_task_logs(self._run, task))
        config = Run.open(self._run).record.config
        for epoch in range(self._epochs.get(task, 0), progress.epochs):
            _write(writer, epoch_numbers(epoch, progress, schedule, config), step=epoch + 1)
        self._epochs[task] = progress.epochs

    def finished(self, record: TaskRecord) -> None:
        """Write what the task reached."""
        self._catch_up()
        writer = self._writers.pop(_task_logs(self._run, record.name), None)
        if writer is not None:
            writer.close()

    def testing(self, after: str, done: int, total: int) -> None:
        """Write nothing."""

    def _catch_up(self) -> None:
        """Write what the run folder holds of finished tasks and is not written yet."""
        run = Run.open(self._run)
        for record in run.tasks:
            self._write_once(record, "task", task_numbers(record))
            after = run.after(record.name)
            if after is not None:
                self._write_once(record, "after", drift_numbers(after))

    def _write_once(self, record: TaskRecord, kind: str, numbers: Mapping[str, float]) -> None:
        if (record.name, kind) not in self._written:
            _write(self._writer(self._run / "logs"), numbers, step=record.position + 1)
            self._written.add((record.name, kind))

    def _writer(self, folder: Path) -> Any:
        """Return the writer of a folder; a new one replaces what an earlier command wrote there."""
        if folder not in self._writers:
            for stale in folder.glob(EVENT_FILES):
                stale.unlink()
            # A TensorBoard that is open forgets what it has read of the files that are gone.
            self._writers[folder] = self._writer_type(str(folder), purge_step=0)
        return self._writers[folder]


def epoch_numbers(epoch: int, progress: Progress, schedule: Schedule, config: RunConfig) -> dict[str, float]:
    """Return what an epoch, from 0, is drawn by: loss in nats, accuracy in percent, rates at its last step.

    The rate of the modules is left out where it depends on whether the task started from an earlier one.
    """
    numbers = {"loss": progress.losses[epoch]}
    if progress.validation:
        numbers["validation_accuracy"] = progress.validation[epoch]
    factor = schedule.factor((epoch + 1) * schedule.steps_per_epoch - 1)
    numbers["learning_rate/head"] = factor * config.training.head_learning_rate
    is_known = config.transfer.start == "identity" or config.transfer.learning_rate_factor == 1
    if config.training.learning_rate is not None and is_known:
        numbers["learning_rate/modules"] = factor * config.training.learning_rate
    return numbers


def task_numbers(record: TaskRecord) -> dict[str, float]:
    """Return what a finished task reached, percent, and what each candidate for its start had gained, points."""
    numbers = {"score": record.score}
    if record.best_floor is not None:
        numbers["best_floor"] = record.best_floor
    return numbers | {f"parent_gain/{name}": gain.points for name, gain in record.parent_gains.items()}


def drift_numbers(after: AfterTask) -> dict[str, float]:
    """Return the relative change of what would be shipped now for each task."""
    return {f"drift/{name}": drift for name, drift in after.drift.items()}


def _task_logs(run: Path, task: str) -> Path:
    return run / "logs" / task.replace(" ", "-")


def _write(writer: Any, numbers: Mapping[str, float], *, step: int) -> None:
    for name, value in numbers.items():
        writer.add_scalar(name, value, step)
    writer.flush()


def summary_writer() -> Any:
    """Return the class that writes event files.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("--tensorboard needs tensorboard. Install it: pip install tensorboard") from error
    return SummaryWriter
