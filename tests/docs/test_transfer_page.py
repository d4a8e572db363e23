"""The figures of the page on transfer are those that its command wrote."""

from __future__ import annotations

import json
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
