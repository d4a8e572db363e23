"""Tables of arms, where something is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "arms_tables.py"
ONE_SEED = {"mean": 80.0, "sd": None}
TRANSFER = {
    "points": 2.0,
    "standard_error": 1.0,
    "standard_error_over_seeds": None,
    "by_tasks_known": [0.0, 3.0, None],
    "against": "plain",
}


def fill(kind: str, folder: Path, found: dict[str, Any]) -> list[str]:
    """Return the lines of a table of a result file, as a page gets them."""
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
    page = folder / "page.md"
    page.write_text(f"<!-- {kind} found.json -->\n<!-- /{kind} found.json -->\n", encoding="utf-8")
    subprocess.run([sys.executable, SCRIPT, page], check=True)
    return page.read_text(encoding="utf-8").splitlines()[1:-1]


def table(kind: str, folder: Path, **found: Any) -> list[str]:
    """Return the lines of a table of one arm."""
    arm = {"score": ONE_SEED, "gain_over_best_floor": ONE_SEED, "bytes_per_task": 1000, "shared_bytes": 0}
    summary = {"mean_best_floor": 60.0, "arms": {"gated": arm | {"seconds_per_task": 2.0} | found}}
    return fill(kind, folder, {"summary": summary})


def test_one_seed_is_shown_without_a_deviation(tmp_path: Path) -> None:
    assert table("arms", tmp_path)[-1] == "| `gated` | 80.0 | +80.0 | 1 | 0 | 2 |"


def test_a_deviation_is_shown(tmp_path: Path) -> None:
    assert "| 80.0 ± 1.2 |" in table("arms", tmp_path, score={"mean": 80.0, "sd": 1.2})[-1]


def test_transfer_of_one_seed_has_no_error_over_seeds(tmp_path: Path) -> None:
    (row,) = table("transfer", tmp_path, forward_transfer=TRANSFER)[2:]
    assert row == "| `gated` | +2.00 ± 1.00 |  | `plain` |"


def test_a_place_where_no_task_counts_is_blank(tmp_path: Path) -> None:
    head, _, row = table("curve", tmp_path, forward_transfer=TRANSFER)
    assert head == "| tasks known | 1 | 2 |"
    assert row == "| `gated` | +3.0 |  |"


@pytest.mark.parametrize("kind", ["transfer", "curve"])
def test_without_any_transfer_there_are_no_rows(kind: str, tmp_path: Path) -> None:
    assert len(table(kind, tmp_path)) == 2


def recipes(folder: Path, keys: tuple[str, ...], first: str, other: str, *, grows: int = 0) -> list[str]:
    """Return the table of two arms, each of two seeds of two tasks; each further key has five points less.

    Args:
        folder: Where files are written.
        keys: What accuracies are of.
        first: The arm that the other one is compared with.
        other: That one.
        grows: Bytes by which its tasks are larger.
    """
    names = "linear-head", first, other
    rows = {
        name: [
            {
                "seed": seed,
                "tasks": [
                    {"task": task} | {key: 60.0 - 5 * less + better * place for less, key in enumerate(keys)}
                    for task in ("bolts", "leaves")
                ],
            }
            for seed, better in ((0, 1.0), (1, 3.0))
        ]
        for place, name in enumerate(names)
    }
    found = {
        "summary": {
            "counted": ["bolts", "leaves"],
            "arms": {
                name: {
                    "bytes_per_task": 162_000 + grows * place,
                    **{key: {"mean": 60.0 - 5 * less + place, "sd": 0.5} for less, key in enumerate(keys)},
                }
                for place, name in enumerate(names)
            },
        },
        "runs": rows,
    }
    return fill("recipes", folder, found)


@pytest.mark.parametrize(("key", "items"), [("validation", "validation"), ("score", "test")])
def test_settings_stand_beside_the_arm_as_it_ships(key: str, items: str, tmp_path: Path) -> None:
    settings = "adaprefix:training.learning_rate=0.01,method.rank=8"
    head, _, shipped, other = recipes(tmp_path, (key,), "adaprefix", settings)
    assert head == f"| settings | accuracy on {items} items % | over the first row |"
    assert shipped == "| `adaprefix` as it ships | 61.0 ± 0.5 |  |"
    assert other == "| `training.learning_rate=0.01`, `method.rank=8` | 62.0 ± 0.5 | +2.0 ± 0.6 |"


def test_the_last_epoch_stands_beside_the_best_one(tmp_path: Path) -> None:
    keys = ("validation", "validation_last")
    head, _, shipped, other = recipes(tmp_path, keys, "adaprefix", "adaprefix:method.rank=8")
    assert head == (
        "| settings | best epoch on validation items % | over the first row | last epoch % | over the first row |"
    )
    assert shipped == "| `adaprefix` as it ships | 61.0 ± 0.5 |  | 56.0 ± 0.5 |  |"
    assert other == "| `method.rank=8` | 62.0 ± 0.5 | +2.0 ± 0.6 | 57.0 ± 0.5 | +2.0 ± 0.6 |"


def test_settings_stand_beside_the_first_arm_without_what_they_share_with_it(tmp_path: Path) -> None:
    vector = "adaprefix++:generator.task_embedding=vector"
    *_, first, other = recipes(tmp_path, ("score",), vector, f"{vector},generator.guidance=distance")
    assert first == "| `adaprefix++` with `generator.task_embedding=vector` | 61.0 ± 0.5 |  |"
    assert other == "| `generator.guidance=distance` | 62.0 ± 0.5 | +2.0 ± 0.6 |"


def test_rows_of_other_sizes_and_arms_say_so(tmp_path: Path) -> None:
    faster = "adapter:training.learning_rate=0.01"
    head, _, shipped, other = recipes(tmp_path, ("score",), "adaprefix", faster, grows=-1000)
    assert head == "| settings | kB a task | accuracy on test items % | over the first row |"
    assert shipped == "| `adaprefix` as it ships | 161 | 61.0 ± 0.5 |  |"
    assert other == "| `adapter` with `training.learning_rate=0.01` | 160 | 62.0 ± 0.5 | +2.0 ± 0.6 |"


def test_what_tasks_cost_stands_by_tens_of_the_tasks_known_before(tmp_path: Path) -> None:
    rows = [
        {"seconds": 1.0 + n, "peak_bytes": 5e6 + n * 1e6, "score": 60.0, "at_the_end": 60.5, "drift": n / 100}
        for n in range(12)
    ]
    known = [50.0, *[2.0] * 8, None, 4.0, 5.0]
    found = {
        "runs": {arm: [{"tasks": rows}] for arm in ("linear-head", "adaprefix++", "gated", "joint")},
        "summary": {"arms": {"gated": {"forward_transfer": {"by_tasks_known": known}}}},
    }
    assert fill("along", tmp_path, found)[2:] == [
        "| `adaprefix++` | 1 to 10 | 5.5 | 14 | +0.50 | 0.0900 |  |",
        "| `adaprefix++` | 11 to 12 | 11.5 | 16 | +0.50 | 0.1100 |  |",
        "| `gated` | 1 to 10 | 5.5 | 14 | +0.50 | 0.0900 | +2.0 |",
        "| `gated` | 11 to 12 | 11.5 | 16 | +0.50 | 0.1100 | +4.5 |",
    ]


def test_a_task_that_does_not_count_is_in_no_mean_of_empty_prefixes(tmp_path: Path) -> None:
    floors = {
        "bolts": {"0": ONE_SEED, "10": ONE_SEED},
        "steel": {"0": {"mean": 99.0, "sd": None}, "10": ONE_SEED},
    }
    assert fill("empty-prefixes", tmp_path, {"best_floor": floors, "counted": ["bolts"]})[2:] == [
        "| bolts | 80.0 | 80.0 |",
        "| *steel* | 99.0 | 80.0 |",
        "| mean | 80.0 | 80.0 |",
    ]


def test_what_the_gate_saw_stands_beside_what_came_of_it(tmp_path: Path) -> None:
    gains = {"first": {"points": 9.0, "error": 1.0}, "not taken": {"points": -50.0, "error": 1.0}}
    alone = [{"task": name, "score": 60.0} for name in ("first", "second", "third", "fourth")]
    gated = [
        {"task": "first", "score": 60.0, "parent": None, "parent_gains": {}},
        {"task": "second", "score": 66.0, "parent": "first", "parent_gains": gains},
        {"task": "third", "score": 58.0, "parent": "first", "parent_gains": gains},
        {"task": "fourth", "score": 90.0, "parent": None, "parent_gains": gains},
    ]
    found = {
        "summary": {
            "counted": ["first", "second", "third", "fourth"],
            "arms": {"gated": {"start": "gated", "forward_transfer": {"against": "plain"}}},
        },
        "runs": {"plain": [{"seed": 0, "tasks": alone}], "gated": [{"seed": 0, "tasks": gated}]},
    }
    assert fill("gate", tmp_path, found)[2] == "| `gated` | 3 | 2 | +9.0 | +2.0 | 2.0 |"


def test_what_the_other_tasks_are_worth_stands_beside_each_task_alone(tmp_path: Path) -> None:
    tasks = {
        "bolts": {"alone": 60.0, "after_the_others": 64.0},
        "nuts": {"alone": 70.0, "after_the_others": 69.0},
    }
    found = {"points": 1.5, "standard_error": 0.4, "tasks": tasks}
    assert fill("ceiling", tmp_path, found)[2:] == [
        "| bolts | 60.0 | 64.0 | +4.0 |",
        "| nuts | 70.0 | 69.0 | -1.0 |",
        "| mean | 65.0 | 66.5 | +1.5 ± 0.4 |",
    ]


def test_a_curve_whose_ceiling_is_not_measured_yet_has_no_row_for_it(tmp_path: Path) -> None:
    kind = {"bytes_per_task": 2000, "score": ONE_SEED}
    size = {"rank": 2, "prefix_length": 0, "float16": kind, "int8": kind}
    found = {"mean_best_floor": 60.0, "curve": [size]}
    without = fill("capacity", tmp_path, found)
    with_it = fill("capacity", tmp_path, found | {"joint": ONE_SEED})
    assert with_it[:-1] == without
    assert with_it[-1] == "| `joint`, joint training | | | 80.0 | | |"
