"""The figures of the page on transfer are those that its command wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "transfer.md").read_text(encoding="utf-8")
RESULT: dict[str, Any] = json.loads(
    (ROOT / "docs" / "results" / "transfer-omniglot-5.json").read_text(encoding="utf-8")
)
SUMMARY = RESULT["summary"]


def test_the_accuracy_of_each_arm_is_the_one_that_was_measured() -> None:
    for arm in ("linear-head", "adaprefix", "average"):
        score = SUMMARY["arms"][arm]["score"]
        assert f"| `{arm}` | {score['mean']:.1f} ± {score['sd']:.1f} |" in PAGE


def test_the_transfer_and_its_curve_are_those_that_were_measured() -> None:
    found = SUMMARY["arms"]["average"]["forward_transfer"]
    transfer = f"{found['points']:+.1f} ± {found['standard_error']:.1f}"
    assert f"**{transfer}**" in PAGE
    assert f"{transfer} points over each task alone" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert " | ".join(f"{gain:+.1f}" for gain in found["by_tasks_known"][1:]) in PAGE


def test_the_floor_stands_beside_it() -> None:
    assert f"best floor {SUMMARY['mean_best_floor']:.1f}" in PAGE


def test_filling_the_tables_again_changes_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "results", tmp_path / "results")
    copy = Path(shutil.copy(ROOT / "docs" / "transfer.md", tmp_path))
    subprocess.run([sys.executable, ROOT / "scripts" / "arms_tables.py", copy], check=True)
    assert copy.read_text(encoding="utf-8") == PAGE


def test_a_table_that_was_changed_by_hand_is_put_right(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "results", tmp_path / "results")
    copy = tmp_path / "transfer.md"
    copy.write_text(PAGE.replace("| `average` | 4", "| `average` | 9"), encoding="utf-8")
    subprocess.run([sys.executable, ROOT / "scripts" / "arms_tables.py", copy], check=True)
    assert copy.read_text(encoding="utf-8") == PAGE
