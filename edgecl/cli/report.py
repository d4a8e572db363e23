"""`edgecl report`: what runs reached, as one page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edgecl.cli.output import json_option, print_json, print_table

EXAMPLES = """\b
Examples:
  edgecl report runs/shop-floor --out report
  edgecl report runs/adapter-0 runs/adapter-1 runs/gated-0 runs/gated-1 --out report
  edgecl report runs/prefix-0 --alone runs/prefix-alone-0 --out report --json

\b
Runs that differ in their seed alone are one arm; arms are compared, on the same tasks and backbone."""


@click.command(epilog=EXAMPLES)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--alone",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A run whose tasks were each learned as if they were the first, for forward transfer; may be repeated.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the report.")
@json_option
def report(runs: tuple[Path, ...], alone: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Write one page about one or several runs: tables, figures and what is missing.

    Writes OUT/report.html, which needs nothing besides itself, and its figures as PNG files under OUT/figures. An
    earlier report there is replaced.
    """
    with _fonts_listed_in(out / ".fonts"):
        from edgecl.report import compare, report_to_json, summarize, write_page
        from edgecl.report.rows import cell, columns, defects, remarks
        from edgecl.training.run import Run

        comparison = compare([Run.open(run) for run in runs], [Run.open(run) for run in alone])
        summaries = [summarize(arm, comparison) for arm in comparison.arms]
        page = write_page(comparison, summaries, out)
    if as_json:
        print_json({"page": str(page), **report_to_json(comparison, summaries)})
        return
    click.echo(str(page))
    counted = len(comparison.tasks) - len(comparison.left_out)
    rows = [(column.heading, *(cell(each, column) for each in summaries)) for column in columns(summaries)]
    print_table(
        f"Averages over {counted} of {len(comparison.tasks)} tasks",
        ("", *(each.arm.name for each in summaries)),
        rows,
    )
    for remark in [*defects(summaries), *remarks(summaries)]:
        click.echo(remark)


@contextmanager
def _fonts_listed_in(folder: Path) -> Iterator[None]:
    """Let matplotlib keep its list of fonts in a folder while it works, not in the user's home."""
    if "MPLCONFIGDIR" in os.environ:
        yield
        return
    os.environ["MPLCONFIGDIR"] = str(folder.absolute())
    try:
        yield
    finally:
        del os.environ["MPLCONFIGDIR"]
        shutil.rmtree(folder, ignore_errors=True)
