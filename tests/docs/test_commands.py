"""A command that the documentation gives for a table writes that table: same stream, arms, seeds and settings."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from scripts import measure_arms, measure_capacity

DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands(script: str) -> list[list[str]]:
    """Return the arguments of all commands of two pages that call a script."""
    pages = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in ("results.md", "transfer.md"))
    found = re.findall(rf"^python scripts/{script}\.py (.*)$", pages.replace("\\\n", " "), flags=re.MULTILINE)
    return [shlex.split(each) for each in found]


@pytest.mark.parametrize(
    "arguments", commands("measure_arms"), ids=lambda arguments: Path(arguments[-1]).stem
)
def test_a_command_names_what_its_file_holds(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["measure_arms.py", *arguments])
    asked = measure_arms.parse_arguments()
    result = json.loads((DOCS / "results" / asked.out.name).read_text(encoding="utf-8"))
    arms = [arm for arm in result["summary"]["arms"] if arm != "linear-head"]
    assert {*asked.arms, *asked.alone} - {"linear-head"} == set(arms)
    assert asked.seeds == sorted({run["seed"] for run in result["runs"][arms[0]]})
    assert dict(each.split("=", 1) for each in asked.settings) == (result["settings"] or {})
    assert (asked.stream, asked.per_class, asked.reverse) == (
        result["stream"],
        result["per_class"],
        result["reversed"],
    )
    tasks = {row["task"] for row in result["runs"][arms[0]][0]["tasks"]}
    assert asked.only is None or set(asked.only) == tasks


@pytest.mark.parametrize(
    "arguments", commands("measure_capacity"), ids=lambda arguments: Path(arguments[-1]).stem
)
def test_a_command_names_the_sizes_of_its_curve(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["measure_capacity.py", *arguments])
    asked = measure_capacity.parse_arguments()
    result = json.loads((DOCS / "results" / asked.out.name).read_text(encoding="utf-8"))
    assert {*asked.sizes} == {(each["rank"], each["prefix_length"]) for each in result["curve"]}
    assert (asked.stream, asked.only, asked.seeds, asked.settings) == (
        result["stream"],
        result["tasks"],
        result["seeds"],
        result["settings"],
    )
