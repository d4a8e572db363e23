"""Figures of result files, as the pages quote them."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"


def page(name: str) -> str:
    """Return a page on one line, so that a sentence is found wherever it is broken."""
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())


def row_of(name: str, start: str) -> list[str]:
    """Return the cells of the row of a page's table that starts so, without the first one."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.strip("|").split(" | ")[1:]]


def result(name: str) -> dict[str, Any]:
    """Return the content of a result file."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def transfer(name: str, arm: str = "gated") -> dict[str, Any]:
    """Return the forward transfer of an arm on a stream."""
    found: dict[str, Any] = result(name)["summary"]["arms"][arm]["forward_transfer"]
    return found


def transferred(name: str, arm: str = "gated", sign: str = "+") -> str:
    """Return the forward transfer of an arm and the larger one of its errors."""
    found = transfer(name, arm)
    error = max(found["standard_error"], found["standard_error_over_seeds"] or 0.0)
    return f"{found['points']:{sign}.1f} ± {error:.1f}"


def over(
    of: dict[str, Any],
    arm: str,
    other: str,
    *,
    beside: dict[str, Any] | None = None,
    key: str = "score",
    only: Collection[str] | None = None,
) -> list[list[float]]:
    """Return by seed what an arm has over another one, of the same file or one beside it, on each task that counts."""
    counted = of["summary"]["counted"] if only is None else only
    return [
        [
            row[key] - reference[key]
            for row, reference in zip(run["tasks"], plain["tasks"], strict=True)
            if row["task"] in counted
        ]
        for run, plain in zip(of["runs"][arm], (beside or of)["runs"][other], strict=True)
    ]


def with_error(gains: list[list[float]]) -> tuple[float, float]:
    """Return the mean of gains by seed, and the larger one of its errors over pairs and over seeds.

    A single seed has the first one alone.
    """
    pairs, seeds = [gain for seed in gains for gain in seed], [fmean(seed) for seed in gains]
    over_seeds = stdev(seeds) / len(seeds) ** 0.5 if len(seeds) > 1 else 0.0
    return fmean(pairs), max(stdev(pairs) / len(pairs) ** 0.5, over_seeds)
