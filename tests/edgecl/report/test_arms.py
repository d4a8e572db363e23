from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecl.errors import ConfigError, RunError
from edgecl.report import compare
from tests.edgecl.report.factories import (
    TASKS,
    make_floors,
    make_ordered_run,
    make_plain_run,
    make_record,
    make_run,
)


def test_runs_that_differ_in_their_seed_are_one_arm(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / f"plain-{seed}", 80.0, seed=seed) for seed in (2, 0)]
    (arm,) = compare(runs).arms
    assert (arm.name, arm.seeds) == ("plain", (0, 2))


def test_what_is_measured_besides_does_not_make_another_arm(tmp_path: Path) -> None:
    full = make_plain_run(tmp_path / "plain-0", 80.0, evaluation={"matrix": "full"})
    assert len(compare([full, make_plain_run(tmp_path / "plain-1", 80.0, seed=1)]).arms) == 1


@pytest.mark.parametrize("training", [{"device": "cuda"}, {"heldout_items": 9}])
def test_what_does_not_decide_what_is_learned_does_not_make_another_arm(
    training: dict[str, Any], tmp_path: Path
) -> None:
    other = make_plain_run(tmp_path / "plain-1", 80.0, seed=1, training=training)
    assert [arm.seeds for arm in compare([make_plain_run(tmp_path / "plain-0", 80.0), other]).arms] == [
        (0, 1)
    ]


def test_the_devices_of_an_arm_are_among_its_settings(tmp_path: Path) -> None:
    other = make_plain_run(tmp_path / "plain-1", 80.0, seed=1, training={"device": "cuda"})
    found = compare([make_plain_run(tmp_path / "plain-0", 80.0), other]).common()
    assert found["training.device"] == "auto, cuda"
    assert "training.heldout_items" not in found


def test_devices_that_differ_between_arms_are_told(tmp_path: Path) -> None:
    wide = make_plain_run(tmp_path / "wide", 80.0, method={"rank": 32}, training={"device": "cuda"})
    found = compare([make_plain_run(tmp_path / "narrow", 80.0), wide]).differing()
    assert found["training.device"] == ("auto", "cuda")


def test_other_settings_are_another_arm(tmp_path: Path) -> None:
    wide = make_plain_run(tmp_path / "wide", 80.0, method={"rank": 32})
    comparison = compare([make_plain_run(tmp_path / "narrow", 80.0), wide])
    assert [arm.name for arm in comparison.arms] == ["narrow", "wide"]
    assert comparison.differing() == {"method.rank": ("16", "32")}
    assert "method.rank" not in comparison.common()
    assert comparison.common()["training.epochs"] == "5"


def test_a_seed_in_another_order_of_the_tasks_is_another_arm(tmp_path: Path) -> None:
    runs = [
        make_ordered_run(tmp_path / f"{arm}-{seed}", *order, seed=seed)
        for arm, order in (("forward", TASKS), ("backward", TASKS[::-1]))
        for seed in (0, 1)
    ]
    assert [(arm.name, arm.seeds) for arm in compare(runs).arms] == [
        ("forward", (0, 1)),
        ("backward", (0, 1)),
    ]


def test_seeds_that_each_have_an_order_of_their_own_are_one_arm(tmp_path: Path) -> None:
    runs = [
        make_ordered_run(tmp_path / f"run-{seed}", *order, seed=seed)
        for seed, order in enumerate((TASKS, TASKS[::-1]))
    ]
    assert [arm.seeds for arm in compare(runs).arms] == [(0, 1)]


@pytest.mark.parametrize("folder", ["wide-0", "wide_seed0", "wide-s0", "wide.0", "wide"])
def test_an_arm_is_named_by_its_folders_without_the_seed(folder: str, tmp_path: Path) -> None:
    assert compare([make_plain_run(tmp_path / folder, 80.0)]).arms[0].name == "wide"


def test_a_folder_of_seeds_names_the_arm(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / "wide" / str(seed), 80.0, seed=seed) for seed in (0, 1)]
    assert compare(runs).arms[0].name == "wide"


def test_arms_have_different_names(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / str(rank) / "run", 80.0, method={"rank": rank}) for rank in (4, 8)]
    assert [arm.name for arm in compare(runs).arms] == ["run", "run (2)"]


def test_folders_with_nothing_in_common_are_named_by_their_method(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / name, 80.0, seed=seed) for seed, name in enumerate(("red", "blue"))]
    assert compare(runs).arms[0].name == "adaprefix"


def test_a_task_that_frozen_features_solve_is_left_out(tmp_path: Path) -> None:
    records = [make_record("bolts", floors=make_floors(95.1)), make_record("leaves", 1)]
    assert compare([make_run(tmp_path / "run", records)]).left_out == {"bolts"}


def test_a_floor_is_averaged_over_runs_before_a_task_is_left_out(tmp_path: Path) -> None:
    floors = (make_floors(96.0), make_floors(90.0))
    runs = [
        make_run(tmp_path / f"run-{seed}", [make_record("bolts", floors=each)], seed=seed)
        for seed, each in enumerate(floors)
    ]
    assert compare(runs).left_out == frozenset()


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least one"):
        compare([])


def test_a_run_without_a_finished_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished task, nothing to report. Train it: edgecl train"):
        compare([make_run(tmp_path / "run", [])])


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    other = make_run(tmp_path / "b", [make_record("bolts")], fingerprint="cd" * 32)
    with pytest.raises(
        ConfigError, match="found backbone cdcdcdcdcdcd, expected that of .*Compare like with"
    ):
        compare([make_plain_run(tmp_path / "a", 80.0), other])


def test_other_tasks_are_refused_and_named(tmp_path: Path) -> None:
    stopped = make_plain_run(tmp_path / "b-1", 80.0, seed=1)
    with pytest.raises(ConfigError, match=r"'leaves' missing.*repeat the edgecl train command"):
        compare([make_plain_run(tmp_path / "b-0", 80.0, 70.0), stopped])


def test_other_classes_are_refused(tmp_path: Path) -> None:
    other = make_run(tmp_path / "b", [make_record("bolts", labels=("a", "b", "c"))], seed=1)
    with pytest.raises(ConfigError, match=r"task 'bolts': found other classes \(3\)"):
        compare([make_plain_run(tmp_path / "a", 80.0), other])


def test_other_items_with_the_same_seed_are_refused(tmp_path: Path) -> None:
    record = make_record("bolts", data_fingerprint="1" * 64)
    other = make_run(tmp_path / "b", [record], method={"rank": 4})
    with pytest.raises(ConfigError, match="found items with fingerprint 111111111111"):
        compare([make_plain_run(tmp_path / "a", 80.0), other])


def test_other_items_of_another_seed_are_what_seeds_are_for(tmp_path: Path) -> None:
    other = make_run(tmp_path / "b-1", [make_record("bolts", data_fingerprint="1" * 64)], seed=1)
    assert len(compare([make_plain_run(tmp_path / "b-0", 80.0), other]).runs) == 2


def test_the_same_measurement_twice_is_refused(tmp_path: Path) -> None:
    runs = [make_plain_run(tmp_path / name, 80.0) for name in ("a", "b")]
    with pytest.raises(ConfigError, match="found seed 0 with the settings of .*Name only one of the two"):
        compare(runs)


def test_runs_learned_alone_must_be_alike_too(tmp_path: Path) -> None:
    alone = make_plain_run(tmp_path / "alone", 80.0, 70.0, method={"alone": True})
    with pytest.raises(ConfigError, match="'leaves' besides"):
        compare([make_plain_run(tmp_path / "a", 80.0)], [alone])


def test_a_reference_whose_tasks_share_something_is_refused(tmp_path: Path) -> None:
    shared = make_run(tmp_path / "shared", [make_record("bolts", shared_bytes=9)], method={"rank": 4})
    with pytest.raises(ConfigError, match=r"found tasks that learn from each other.*method.alone=true"):
        compare([make_plain_run(tmp_path / "a", 80.0)], [shared])


def test_a_reference_whose_tasks_start_from_each_other_is_refused(tmp_path: Path) -> None:
    gated = make_plain_run(tmp_path / "gated", 80.0, transfer={"start": "gated"})
    with pytest.raises(ConfigError, match="found tasks that learn from each other"):
        compare([make_plain_run(tmp_path / "a", 80.0)], [gated])


def test_tasks_that_share_nothing_are_a_reference(tmp_path: Path) -> None:
    plain = make_plain_run(tmp_path / "plain", 80.0)
    gated = make_plain_run(tmp_path / "gated", 80.0, transfer={"start": "gated"})
    assert [run.folder for run in compare([gated], [plain]).alone] == [plain.folder]
