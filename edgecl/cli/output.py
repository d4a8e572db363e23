"""What commands print: a result on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from edgecl.training.checkpoint import Progress
    from edgecl.training.records import TaskRecord
    from edgecl.training.schedule import Schedule

SECONDS_OF_SILENCE = 60.0
"""A log that says nothing for longer looks like a command that hangs."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as exactly one JSON object."
)


def print_json(result: Mapping[str, Any]) -> None:
    """Print the one JSON object of a command."""
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output; the first column is left-aligned, the others right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    click.echo(click.style(title, bold=True))  # not the table's own title, which is wrapped to its width
    wide = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, width=wide, highlight=False).print(table)


def print_facts(title: str, facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values to standard output, one pair a line."""
    width = max(len(name) for name, _ in facts) + 2
    click.echo(click.style(title, bold=True))
    for name, value in facts:
        click.echo(f"{name:<{width}}{value}")


def note(message: str) -> None:
    """Print a line for people to standard error."""
    click.echo(message, err=True)


@contextmanager
def going_on_when_repeated(record: Path) -> Iterator[None]:
    """Let a stop by the user say that the same command goes on, where this file shows that there is a training."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if record.exists():
            stop.add_note("the same command goes on with this training")
        raise


def size(count_bytes: float) -> str:
    """Return a number of bytes for people."""
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count_bytes >= factor:
            return f"{count_bytes / factor:.2f} {unit}"
    return f"{count_bytes:.0f} B"


class TrainingConsole:
    """Shows training on standard error: a bar on a terminal; elsewhere a line per task, and at most one a minute."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._shown: dict[str, Any] = {}
        self._told_at = monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def checking(self, task: str, done: int, total: int) -> None:
        """So many items of a task were read and decoded."""
        self._show(f"{task}: reading data", done, total, "")

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        """An epoch ended, or a task started or was taken up again."""
        if progress.epochs and f"{task}: training" not in self._shown:
            self._tell(f"{task}: continues after epoch {progress.epochs} of {schedule.epochs}")
        loss = f"loss {progress.losses[-1]:.3f}" if progress.losses else ""
        self._show(f"{task}: training", progress.epochs, schedule.epochs, loss)

    def finished(self, record: TaskRecord) -> None:
        """A task was trained, measured and stored."""
        measure = " balanced" if record.is_balanced else ""
        self._tell(
            f"{record.name}: {record.score:.1f} %{measure} on {record.test_items} test items, "
            f"{record.seconds:.0f} s{_start(record)}{_guided(record)}"
        )

    def comparing(self, task: str, done: int, total: int) -> None:
        """The items of a new task passed through so many of the tasks that it is compared with."""
        self._show(f"{task}: features under each task", done, total, "")

    def testing(self, after: str, done: int, total: int) -> None:
        """So many of the tasks that are tested again after a task were tested."""
        self._show(f"testing again after {after}", done, total, "")

    def _show(self, description: str, done: int, total: int, text: str) -> None:
        if description not in self._shown:
            for shown in self._shown.values():
                self._bars.update(shown, visible=False)
            self._shown[description] = self._bars.add_task(description, total=total, note=text)
        self._bars.update(self._shown[description], completed=done, total=total, note=text)
        if self._bars.disable and done < total and monotonic() - self._told_at >= SECONDS_OF_SILENCE:
            self._tell(f"{description}, {done} of {total}{text and f', {text}'}")

    def _tell(self, line: str) -> None:
        note(line)
        self._told_at = monotonic()


def _guided(record: TaskRecord) -> str:
    """Return how many earlier tasks guided the embedding of a task; nothing where none did."""
    return f", guided by {len(record.guided_by)} earlier tasks" if record.guided_by else ""


def _start(record: TaskRecord) -> str:
    """Return where a task started, and what decided that; nothing where there was no choice."""
    evidence = record.parent_evidence
    seen = "" if evidence is None else f"{evidence.points:+.1f} ± {evidence.error:.1f} points before training"
    if record.parent is not None:
        return f", started from earlier tasks (newest: {record.parent}{seen and f'; {seen}'})"
    return f", started afresh (earlier tasks: {seen})" if seen else ""
