"""The figures of docs/performance.md are those that its script wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.pages import fill_places
from scripts.runtime_tables import tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULT: dict[str, Any] = json.loads(
    (ROOT / "docs" / "results" / "runtime-cpu.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", ["figures", "peers"])
def test_a_table_is_the_one_that_was_measured(name: str) -> None:
    assert tables(RESULT["parts"])[name] in PAGE.read_text(encoding="utf-8")


def test_filling_the_page_again_changes_nothing(tmp_path: Path) -> None:
    copy = Path(shutil.copy(PAGE, tmp_path))
    fill_places(copy, tables(RESULT["parts"]))
    assert copy.read_bytes() == PAGE.read_bytes()


def test_another_measurement_changes_the_page(tmp_path: Path) -> None:
    copy = Path(shutil.copy(PAGE, tmp_path))
    fill_places(copy, tables({"sizes": {"edgecl_runtime": 123_450_000, "safetensors": 0}}))
    assert "| 123.45 MB |" in copy.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "part",
    ["vit/calls-1", "vit/calls-8", "vit/rows", "minilm/calls-1", "minilm/calls-8", "minilm/rows", "start"],
)
def test_ratios_with_a_limit_are_known_to_half_a_hundredth(part: str) -> None:
    assert [name for name, found in RESULT["parts"][part]["ratios"].items() if found["capped"]] == []


def test_the_machine_and_the_versions_are_named() -> None:
    assert {"processor", "cores", "python"} <= set(RESULT["machine"])
    assert {"edgecl-runtime", "onnxruntime", "numpy", "torch", "peft"} <= set(RESULT["versions"])
