"""Write the report of runs: the page, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecl.errors import ConfigError
from edgecl.report.arms import Comparison, compare
from edgecl.report.curves import accuracy_drawing, cost_drawing, drift_drawing
from edgecl.report.drawing import Drawing
from edgecl.report.heatmaps import gain_drawings, matrix_drawings
from edgecl.report.page import page
from edgecl.report.points import drift_by_task_drawing, forgetting_drawing, size_drawing
from edgecl.report.similarity_map import similarity_drawing
from edgecl.report.summary import Summary, summarize
from edgecl_runtime.durable import write_durably

if TYPE_CHECKING:
    from edgecl.training.run import Run

PAGE = "report.html"
FIGURES = "figures"


def write_report(runs: Sequence[Run], out: Path, *, alone: Sequence[Run] = ()) -> Path:
    """Write the report of one or several runs, and return its page.

    Args:
        runs: Runs of equal settings are one arm, seeds of each other; arms are compared.
        out: Folder of the report; made if absent, and an earlier report in it is replaced.
        alone: Runs in which each task was learned as if it were the first, for forward transfer.

    Raises:
        ConfigError: The runs cannot be compared, or the folder holds something else.
        RunError: A run has no finished task, or is damaged.
        OSError: The folder cannot be written.
    """
    comparison = compare(runs, alone)
    return write_page(comparison, [summarize(arm, comparison) for arm in comparison.arms], out)


def write_page(comparison: Comparison, summaries: Sequence[Summary], out: Path) -> Path:
    """Write the report of what was compared, and return its page.

    Raises:
        ConfigError: The folder holds something else.
        OSError: The folder cannot be written.
    """
    _require_ours(out)
    groups = _drawings(comparison, summaries)
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for earlier in (out / FIGURES).glob("*.png"):
        earlier.unlink()
    for drawings in groups.values():
        for drawing in drawings:
            write_durably(out / FIGURES / f"{drawing.name}.png", drawing.png)
    write_durably(out / PAGE, page(comparison, summaries, groups).encode())
    return out / PAGE


def _drawings(comparison: Comparison, summaries: Sequence[Summary]) -> dict[str, list[Drawing]]:
    """Return the figures that there are data for, by heading."""
    groups: dict[str, list[Drawing | None]] = {
        "Along the stream": [accuracy_drawing(comparison), drift_drawing(comparison)],
        "Task by task": [forgetting_drawing(comparison), drift_by_task_drawing(comparison)],
        "Costs": [cost_drawing(comparison), size_drawing(summaries)],
        "Accuracy matrices": [*matrix_drawings(comparison)],
        "Similar tasks": [similarity_drawing(comparison), *gain_drawings(comparison)],
    }
    return {heading: [each for each in drawings if each] for heading, drawings in groups.items()}


def _require_ours(out: Path) -> None:
    """Do nothing if a report may be written to a folder.

    Raises:
        ConfigError: It is a file, or holds something that is not a report.
    """
    if out.is_file():
        raise ConfigError.at(out, found="a file", expected="a folder", fix="Choose a folder with --out.")
    is_filled = out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir())
    if is_filled and not (out / PAGE).is_file():
        raise ConfigError.at(
            out,
            found="a folder with something else in it",
            expected="an empty one, or an earlier report",
            fix="Choose another folder with --out.",
        )
