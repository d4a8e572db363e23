"""Arms are added to a result file only where they can stand in one table with its others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecl.errors import ConfigError
from scripts.arms_kept import Kept


def make_result(*arms: str, command: str = "first", **other: Any) -> dict[str, Any]:
    """Return a result file of some arms on one task and one seed."""
    run = {"seed": 0, "tasks": [{"task": "bolts", "score": 70.0, "best_floor": 61.25}]}
    return {
        "command": command,
        "stream": "toys",
        "reversed": False,
        "per_class": None,
        "settings": {},
        "fingerprint": "ab",
        "summary": {
            "best_floor": {"bolts": 61.25},
            "counted": ["bolts"],
            "arms": {arm: {"seeds": 1} for arm in arms},
        },
        "runs": {arm: [run] for arm in arms},
    } | other


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A file with the floor, an arm and the ceiling."""
    path = tmp_path / "arms.json"
    path.write_text(json.dumps(make_result("linear-head", "adapter", "joint")), encoding="utf-8")
    return Kept.read(path)


def test_added_arms_stand_before_the_ceiling_and_the_others_stay(kept: Kept) -> None:
    found = kept.with_added(make_result("lora", command="second"))
    assert list(found["runs"]) == ["linear-head", "adapter", "lora", "joint"]
    assert list(found["summary"]["arms"]) == ["linear-head", "adapter", "lora", "joint"]
    assert found["command"].splitlines() == ["first", "second"]


def test_an_arm_that_is_measured_again_is_replaced(kept: Kept) -> None:
    again = make_result("adapter", command="first")
    again["summary"]["arms"]["adapter"]["seeds"] = 7
    found = kept.with_added(again)
    assert found["summary"]["arms"]["adapter"]["seeds"] == 7
    assert found["command"] == "first"


def test_what_other_arms_are_compared_with_is_not_replaced_without_them(kept: Kept) -> None:
    kept.result["summary"]["arms"]["joint"]["forward_transfer"] = {"against": "adapter"}
    assert kept.with_added(make_result("adapter"))
    again = make_result("adapter")
    again["runs"]["adapter"] = [{"seed": 0, "tasks": [{"task": "bolts", "score": 71.0, "best_floor": 61.25}]}]
    with pytest.raises(ConfigError, match="--add, adapter, which joint is compared with"):
        kept.with_added(again)
    again["runs"]["joint"] = again["runs"]["adapter"]
    assert kept.with_added(again)


def test_floors_are_those_of_the_file(kept: Kept) -> None:
    assert kept.floors(0) == {"bolts": 61.25}


def test_a_seed_without_floors_is_refused(kept: Kept) -> None:
    with pytest.raises(ConfigError, match="floors of the seeds 0, expected those of seed 3"):
        kept.floors(3)


@pytest.mark.parametrize(
    "other",
    [
        {"stream": "texts"},
        {"reversed": True},
        {"per_class": 5},
        {"settings": {"backbone.image_size": "64"}},
        {"fingerprint": "cd"},
        {"summary": {"best_floor": {"bolts": 50.0}, "counted": ["bolts"], "arms": {}}},
        {"summary": {"best_floor": {"bolts": 61.25}, "counted": [], "arms": {}}},
    ],
)
def test_arms_of_another_measurement_are_refused(kept: Kept, other: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--add, "):
        kept.with_added(make_result("lora", **other))


def test_nothing_can_be_added_to_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file.*Leave --add out"):
        Kept.read(tmp_path / "none.json")
