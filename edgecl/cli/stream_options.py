"""Options that vary a stream: where its data lie, and how many items of a class are trained on."""

from __future__ import annotations

from pathlib import Path

import click


def _expanded(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    return value and value.expanduser()


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=_expanded,
    help="Folder that the stream's relative data paths are taken from.  [default: that of the stream]",
)
per_class_option = click.option(
    "--per-class",
    type=click.IntRange(min=1),
    metavar="N",
    help="Training items of each class, N at most, whatever the stream asks for.",
)
