"""What the measuring scripts say of finished arms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgecl.errors import ConfigError
from edgecl.training.run import Run
from scripts.arms_summary import Measured, spread, summary
from tests.edgecl.report.factories import make_plain_run, make_record, make_run

FLOORS = {"bolts": 60.0, "leaves": 60.0, "signs": 60.0}


def summary_of(*, alone: Sequence[str] = (), left_out: Sequence[str] = (), **arms: list[Run]) -> Any:
    """Return the table of arms whose floors are 60 %."""
    measured = {name: [Measured(run, FLOORS) for run in runs] for name, runs in arms.items()}
    return summary(measured, alone=alone, left_out=left_out)["arms"]


@pytest.fixture
def plain(tmp_path: Path) -> Run:
    """Three tasks, each learned for itself."""
    return make_plain_run(tmp_path / "plain-0", 80.0, 70.0, 61.0)


@pytest.fixture
def gated(tmp_path: Path) -> Run:
    """The same tasks, started from each other."""
    return make_plain_run(tmp_path / "gated-0", 80.0, 73.0, 62.0, transfer={"start": "gated"})


def test_forward_transfer_is_against_the_arm_that_learned_alone(plain: Run, gated: Run) -> None:
    found = summary_of(plain=[plain], gated=[gated], alone=["plain"])
    assert found["gated"]["forward_transfer"] == {
        "points": 2.0,
        "standard_error": 1.0,
        "standard_error_over_seeds": None,
        "pairs": 2,
        "by_tasks_known": [0.0, 3.0, 1.0],
        "against": "plain",
    }
    assert "forward_transfer" not in found["plain"]


def test_a_task_that_is_left_out_counts_neither_in_transfer_nor_in_its_curve(plain: Run, gated: Run) -> None:
    found = summary_of(plain=[plain], gated=[gated], alone=["plain"], left_out=["leaves"])
    transfer = found["gated"]["forward_transfer"]
    assert (transfer["points"], transfer["standard_error"], transfer["pairs"]) == (1.0, None, 1)
    assert transfer["by_tasks_known"] == [0.0, None, 1.0]


def test_the_error_over_seeds_is_that_of_their_means(tmp_path: Path, plain: Run, gated: Run) -> None:
    other = make_plain_run(tmp_path / "plain-1", 80.0, 70.0, 61.0, seed=1)
    start = {"start": "gated"}
    better = make_plain_run(tmp_path / "gated-1", 80.0, 75.0, 64.0, seed=1, transfer=start)
    found = summary_of(plain=[plain, other], gated=[better, gated], alone=["plain"])
    assert found["gated"]["forward_transfer"]["standard_error_over_seeds"] == 1.0
    assert found["gated"]["forward_transfer"]["points"] == 3.0


def test_tasks_learned_at_once_have_no_forward_transfer(plain: Run, tmp_path: Path) -> None:
    joint = make_plain_run(tmp_path / "joint", 80.0, 70.0, 61.0, method={"jointly": True})
    found = summary_of(plain=[plain], joint=[joint], alone=["plain"])
    assert found["joint"]["no_forward_transfer"] == "all tasks were learned at once"
    assert "forward_transfer" not in found["joint"]


def test_another_attention_is_another_recipe(plain: Run, tmp_path: Path) -> None:
    additive = make_plain_run(tmp_path / "additive", 80.0, 70.0, 61.0, method={"attention": "additive"})
    found = summary_of(plain=[plain], additive=[additive], alone=["plain"])
    assert "method.attention (concat, here additive)" in found["additive"]["no_forward_transfer"]


def test_an_arm_whose_tasks_learn_from_each_other_is_no_reference(plain: Run, gated: Run) -> None:
    with pytest.raises(ConfigError, match="found tasks that learn from each other"):
        summary_of(plain=[plain], gated=[gated], alone=["gated"])


def test_two_references_of_one_recipe_are_refused(plain: Run, gated: Run, tmp_path: Path) -> None:
    told = make_plain_run(tmp_path / "told", 80.0, 70.0, 61.0, method={"alone": True})
    with pytest.raises(ConfigError, match="expected one run for each recipe and seed"):
        summary_of(plain=[plain], told=[told], gated=[gated], alone=["plain", "told"])


def test_arms_of_other_tasks_are_not_compared(plain: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'signs' missing"):
        summary_of(plain=[plain], short=[make_plain_run(tmp_path / "short", 80.0, 70.0)])


def test_a_seed_is_not_counted_twice(plain: Run) -> None:
    with pytest.raises(ConfigError, match="Name only one of the two"):
        summary_of(plain=[plain, plain])


def test_seeds_of_one_arm_have_the_same_settings(tmp_path: Path) -> None:
    few, many = (
        [
            make_plain_run(
                tmp_path / f"{name}-{seed}", 80.0, seed=seed, transfer={"start": start, "least_gain": least}
            )
            for seed, least in enumerate(leasts)
        ]
        for name, start, leasts in (("few", "identity", (0.0, 3.0)), ("many", "gated", (0.0, 3.0)))
    )
    assert summary_of(few=few)["few"]["least_gain"] is None
    with pytest.raises(ConfigError, match="many-1: found other settings than those of the other seeds"):
        summary_of(many=many)


def test_one_seed_has_no_deviation() -> None:
    assert spread([80.0]) == {"mean": 80.0, "sd": None}
    assert spread([80.0, 82.0]) == {"mean": 81.0, "sd": 1.414}


def test_the_best_epoch_on_validation_items_is_what_settings_are_chosen_by(tmp_path: Path) -> None:
    records = [
        make_record("bolts", 0, validation=(60.0, 80.0, 70.0)),
        make_record("leaves", 1, validation=(50.0, 40.0)),
    ]
    found = summary_of(held_back=[make_run(tmp_path / "held-back-0", records)])
    assert found["held_back"]["validation"] == {"mean": 65.0, "sd": None}
    assert found["held_back"]["validation_last"] == {"mean": 55.0, "sd": None}


def test_without_validation_items_there_is_nothing_to_choose_by(plain: Run) -> None:
    assert "validation" not in summary_of(plain=[plain])["plain"]


def test_a_task_that_was_interrupted_for_an_hour_does_not_make_the_others_slow(tmp_path: Path) -> None:
    records = [make_record(name, place, seconds=10.0) for place, name in enumerate(("bolts", "leaves"))]
    run = make_run(tmp_path / "slow-0", [*records, make_record("signs", 2, seconds=3600.0)])
    assert summary_of(slow=[run])["slow"]["seconds_per_task"] == 10.0
