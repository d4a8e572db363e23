"""Who is told of a pretraining: several at once, and TensorBoard.

OUT/training/logs   by step: `loss` and `learning_rate`
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from edgecl.training.logs import summary_writer

if TYPE_CHECKING:
    from edgecl.pretraining.loop import Round
    from edgecl.pretraining.pretrain import PretrainingReport
    from edgecl.pretraining.record import TrainingRecord


class Reports:
    """A report that tells others; without any it is silent."""

    def __init__(self, *reports: PretrainingReport) -> None:
        self._reports = reports

    def reading(self, done: int, total: int) -> None:
        """So many images were read and decoded."""
        for report in self._reports:
            report.reading(done, total)

    def teaching(self, done: int, total: int) -> None:
        """The teacher has seen so many images."""
        for report in self._reports:
            report.teaching(done, total)

    def round(self, round_: Round) -> None:
        """A round of steps was trained."""
        for report in self._reports:
            report.round(round_)

    def was_finished(self, record: TrainingRecord) -> None:
        """The same training was finished before, and nothing is done."""
        for report in self._reports:
            report.was_finished(record)


class PretrainingLogs:
    """A report that writes event files; what a stopped command wrote after its last checkpoint is shown no more."""

    def __init__(self, folder: Path) -> None:
        """Write nothing yet.

        Raises:
            ConfigError: TensorBoard is not installed.
        """
        self._folder, self._writer_type = folder, summary_writer()
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def reading(self, done: int, total: int) -> None:
        """Write nothing."""

    def teaching(self, done: int, total: int) -> None:
        """Write nothing."""

    def round(self, round_: Round) -> None:
        """Write what a round brought."""
        if self._writer is None:
            self._writer = self._writer_type(str(self._folder), purge_step=round_.step)
        self._writer.add_scalar("loss", round_.loss, round_.step)
        self._writer.add_scalar("learning_rate", round_.learning_rate, round_.step)
        self._writer.flush()

    def was_finished(self, record: TrainingRecord) -> None:
        """Write nothing."""
