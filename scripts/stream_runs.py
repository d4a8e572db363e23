"""Finished runs of the streams that ship, of the very tasks that were asked for."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import click

from edgecl.cli.output import TrainingConsole
from edgecl.cli.settings_option import parse_settings
from edgecl.config import RunConfig
from edgecl.errors import ConfigError, EdgeclError, RunError
from edgecl.streams import TaskSpec, load_task, read_stream
from edgecl.training.run import Run
from edgecl.training.train import train_stream

STREAMS = Path(__file__).parent / "streams"


def stream_names() -> list[str]:
    """Return the names of the streams that ship, sorted."""
    return sorted(path.stem for path in STREAMS.glob("*.toml"))


def stream_tasks(
    name: str,
    data: Path,
    *,
    only: Sequence[str] | None = None,
    reverse: bool = False,
    per_class: int | None = None,
) -> list[TaskSpec]:
    """Return the tasks of a stream with their data below a folder.

    Args:
        name: Of a file in `streams`.
        data: Holds the data sets.
        only: Names of the tasks that are wanted; None: all of them.
        reverse: In reversed order.
        per_class: At most so many training items of each class, instead of those that the stream asks for.

    Raises:
        ConfigError: The stream has no task of a name in `only`.
    """
    stream = read_stream(STREAMS / f"{name}.toml", data=data)
    tasks = stream.varied(per_class=per_class, reverse=reverse).tasks
    if unknown := sorted(set(only or ()) - {spec.name for spec in tasks}):
        raise ConfigError.at(
            "--only",
            found=", ".join(unknown),
            expected=f"tasks of {name}: {', '.join(spec.name for spec in tasks)}",
            fix="Name tasks of the stream.",
        )
    return [spec for spec in tasks if only is None or spec.name in only]


def run_folder(runs: Path, arm: str, seed: int) -> Path:
    """Return where the run of an arm, which may have settings of its own (`ARM:KEY=VALUE,...`), lies."""
    return runs / f"{re.sub('[^A-Za-z0-9+.-]+', '_', arm)}-{seed}"


def trained(config: RunConfig, tasks: Sequence[TaskSpec], folder: Path) -> Run:
    """Return a finished run of these tasks; what the folder has of it already is kept.

    Raises:
        RunError: The folder holds a run with other settings, tasks or items.
    """
    if (folder / "run.json").exists():  # not after hours of training what is missing
        require_tasks(Run.open(folder), tasks)
    with TrainingConsole() as console:
        run = train_stream(config, tasks, folder, report=console)
    require_tasks(run, tasks)
    return run


def require_tasks(run: Run, tasks: Sequence[TaskSpec]) -> None:
    """Do nothing if the finished tasks of a run are the first of these, learned from the items that they have now.

    Raises:
        RunError: They are not; names what differs.
    """
    asked = [spec.name for spec in tasks]
    if list(run.names) != asked[: len(run.names)]:
        raise RunError.at(
            run.folder,
            found=f"tasks in the order {', '.join(run.names)}",
            expected=", ".join(asked),
            fix="Choose another folder with --runs for another stream or order.",
        )
    for record, spec in zip(run.tasks, tasks, strict=False):
        items, fingerprint = _asked_for(spec, run.record.config.seed)
        if record.data_fingerprint != fingerprint:
            raise RunError.at(
                f"{run.folder}, task {record.name!r}",
                found=f"{record.train_items} training items, data {record.data_fingerprint[:12]}",
                expected=f"{items}, {fingerprint[:12]}",
                fix="Choose another folder with --runs for other data or another number of items.",
            )


@cache
def _asked_for(spec: TaskSpec, seed: int) -> tuple[int, str]:
    """Return the number of training items of a task, and the fingerprint of all its items."""
    data = load_task(spec, seed=seed)
    return len(data.train), data.fingerprint


def setting(text: str) -> str:
    """Return `KEY=VALUE` as it is; for `argparse`, which tells of the error.

    Raises:
        argparse.ArgumentTypeError: It has no equals sign.
    """
    read_settings([text])
    return text


def read_settings(settings: Sequence[str]) -> dict[str, str]:
    """Return the values of `KEY=VALUE ...` by their keys.

    Raises:
        argparse.ArgumentTypeError: One of them has no equals sign.
    """
    try:
        return parse_settings(tuple(settings))
    except click.UsageError as error:
        raise argparse.ArgumentTypeError(error.message) from error


def exit_code(main: Callable[[], int]) -> int:
    """Return what a script ends with; an error of a run, its settings or its data is told without a traceback."""
    try:
        return main()
    except EdgeclError as error:
        print(error, file=sys.stderr)
        return error.exit_code
