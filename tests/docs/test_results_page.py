"""What docs/results.md and the README say of the arms holds in the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
VISION: dict[str, Any] = json.loads((DOCS / "results" / "arms-vision.json").read_text(encoding="utf-8"))
ARMS = VISION["summary"]["arms"]


def gain(arm: str) -> float:
    """Return the points above the best floor, mean over seeds."""
    points: float = ARMS[arm]["gain_over_best_floor"]["mean"]
    return points


def test_every_arm_has_three_seeds_at_112_px() -> None:
    assert {found["seeds"] for found in ARMS.values()} == {3}
    assert VISION["image_size"] == 112


@pytest.mark.parametrize("arm", ["adapter", "adaprefix", "adaprefix++", "gated"])
def test_a_method_is_eight_points_above_its_floor(arm: str) -> None:
    assert gain(arm) >= 8


def test_generated_prefixes_are_worth_what_adapters_alone_are() -> None:
    assert gain("adaprefix++") >= gain("adapter") - 1


def test_nothing_that_shipped_has_changed() -> None:
    assert all(found["shipped_unchanged"] for found in ARMS.values())


def test_what_is_regenerated_after_the_last_task_is_within_half_a_point() -> None:
    assert ARMS["adaprefix++"]["largest_change"] <= 0.5


def test_the_readme_says_what_was_measured() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    floor = f"the floor of {VISION['summary']['mean_best_floor']:.1f};"
    said = (
        f"adapters alone {gain('adapter'):+.1f}, with prefixes {gain('adaprefix'):+.1f} (`adaprefix`), with generated "
        f"prefixes {gain('adaprefix++'):+.1f} (`adaprefix++`), with the default start {gain('gated'):+.1f}."
    )
    assert floor in readme
    assert said in readme
