from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecl.errors import ConfigError
from edgecl.evaluation.matrix import Transfer
from edgecl.report import Summary, compare, summarize
from edgecl.report.numbers import Missing, Spread
from edgecl.report.rows import SHIPPED, cell, columns, defects, remarks
from edgecl.report.transfer import ForwardTransfer
from edgecl.training.records import encode_record
from edgecl.training.run import Run
from tests.edgecl.report.factories import make_floors, make_plain_run, make_record, make_run, save_after

TRANSFER = next(column for column in SHIPPED if column.key == "transfer")


def summary_of(*runs: Run, alone: Sequence[Run] = ()) -> Summary:
    """Return the summary of the first arm."""
    comparison = compare(runs, alone)
    return summarize(comparison.arms[0], comparison)


def pairs_of(summary: Summary) -> Transfer:
    """Return the forward transfer over pairs of seed and task."""
    assert isinstance(summary.transfer, ForwardTransfer)
    return summary.transfer.pairs


def close(number: float) -> Any:
    """Return what equals a number but for rounding."""
    return pytest.approx(number)


def make_sequential(folder: Path, **method: Any) -> Run:
    """Return a run of one module for all tasks, tested again after the last one."""
    run = make_plain_run(folder, 80.0, 70.0, method={"name": "shared", **method})
    save_after(run, "leaves", {"bolts": 74.0, "leaves": 70.0})
    return run


def make_two_seeds(folder: Path, *, gains: tuple[float, float]) -> tuple[list[Run], list[Run]]:
    """Return runs of two seeds, whose two later tasks gained half a point less and more, and their reference."""
    start = {"start": "gated"}
    runs = [
        make_plain_run(folder / f"run-{seed}", 80.0, 69.5 + gain, 60.5 + gain, seed=seed, transfer=start)
        for seed, gain in enumerate(gains)
    ]
    alone = [make_plain_run(folder / f"alone-{seed}", 80.0, 70.0, 60.0, seed=seed) for seed in (0, 1)]
    return runs, alone


def test_averages_have_a_deviation_over_seeds(tmp_path: Path) -> None:
    first = make_plain_run(tmp_path / "run-0", 80.0, 70.0)
    found = summary_of(first, make_plain_run(tmp_path / "run-1", 84.0, 70.0, seed=1))
    assert found.score == Spread(76.0, close(2.0**0.5), 2)
    assert found.floor == Spread(60.0, 0.0, 2)
    assert found.gain == Spread(16.0, close(2.0**0.5), 2)


def test_one_seed_has_no_deviation_and_it_is_said(tmp_path: Path) -> None:
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 70.0))
    assert found.score == Spread(75.0, None, 1)
    assert "No deviation for run: one seed." in remarks([found])


def test_costs_are_over_all_tasks(tmp_path: Path) -> None:
    records = [
        make_record("bolts", floors=make_floors(99.0), seconds=30.0, size_bytes=100, peak_bytes=7),
        make_record("leaves", 1, seconds=10.0, size_bytes=200, peak_bytes=5, shared_bytes=3),
    ]
    found = summary_of(make_run(tmp_path / "run", records))
    assert (found.seconds, found.size_bytes) == (Spread(20.0, None, 1), Spread(150.0, None, 1))
    assert (found.peak_bytes, found.shared_bytes) == (Spread(7.0, None, 1), Spread(3.0, None, 1))


def test_averages_leave_out_what_frozen_features_solve(tmp_path: Path) -> None:
    records = [make_record("bolts", floors=make_floors(99.0), accuracy=99.0), make_record("leaves", 1)]
    assert summary_of(make_run(tmp_path / "run", records)).score == Spread(80.0, None, 1)


def test_there_is_no_average_where_no_task_counts(tmp_path: Path) -> None:
    found = summary_of(make_run(tmp_path / "run", [make_record("bolts", floors=make_floors(99.0))]))
    assert found.score == Missing("the floor of every task is above 95 %")
    assert isinstance(found.gain, Missing)
    assert isinstance(found.seconds, Spread)


def test_where_no_task_counts_it_is_said_why_and_where_the_scores_are(tmp_path: Path) -> None:
    found = summary_of(make_run(tmp_path / "run", [make_record("bolts", floors=make_floors(99.0))]))
    said = remarks([found])
    assert any(
        line.startswith("No score,") and line.endswith("the floor of every task is above 95 %.")
        for line in said
    )
    assert (
        "Scores of single tasks: in the table of tasks on the page, and with --json under arms, runs, tasks."
        in said
    )


def test_where_a_task_counts_nothing_is_said_of_where_scores_are(tmp_path: Path) -> None:
    found = summary_of(make_plain_run(tmp_path / "run", 80.0))
    assert not any(line.startswith("Scores of single tasks") for line in remarks([found]))


def test_there_is_no_gain_without_floors(tmp_path: Path) -> None:
    found = summary_of(make_run(tmp_path / "run", [make_record("bolts", floors={})]))
    assert found.gain == Missing("floors were not measured (evaluation.floors)")
    assert isinstance(found.score, Spread)


def test_what_was_shipped_is_not_forgotten_but_what_would_be_shipped_now_is(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0)
    save_after(run, "leaves", {"bolts": 74.0, "leaves": 70.0})
    found = summary_of(run)
    assert found.forgetting_shipped == Spread(0.0, None, 1)
    assert found.forgetting_now == Spread(6.0, None, 1)
    assert found.score_now == Spread(72.0, None, 1)
    assert found.verified == ("bolts", "leaves")


def test_what_was_not_tested_again_is_said_to_be_missing(tmp_path: Path) -> None:
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 70.0))
    assert isinstance(found.forgetting_now, Missing)
    assert any(line.startswith("No score now, forgetting now, backward") for line in remarks([found]))


def test_one_task_cannot_forget(tmp_path: Path) -> None:
    found = summary_of(make_plain_run(tmp_path / "run", 80.0))
    assert found.forgetting_now == Missing("no task that counts came before the last one")


def test_tasks_learned_at_once_have_no_order(tmp_path: Path) -> None:
    method = {"name": "shared", "jointly": True}
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 70.0, method=method))
    assert found.forgetting_shipped == found.score_now == Missing("all tasks were learned at once")
    assert not found.is_shipped


def test_what_is_never_shipped_has_no_forgetting_of_shipped_packs(tmp_path: Path) -> None:
    found = summary_of(make_sequential(tmp_path / "run"))
    assert found.forgetting_shipped == Missing("measured as a peer and never shipped")
    assert found.forgetting_now == Spread(6.0, None, 1)
    told = "No anytime shipped, forgetting shipped: measured as a peer and never shipped."
    assert told in remarks([found])


def test_nothing_of_a_peer_is_said_to_be_verified(tmp_path: Path) -> None:
    assert summary_of(make_sequential(tmp_path / "run")).verified == ()


def test_a_peer_says_when_its_scores_were_measured(tmp_path: Path) -> None:
    said = remarks([summary_of(make_sequential(tmp_path / "run"))])
    assert "Never shipped, measured as a peer: run; its score is that right after each task." in said


def test_a_peer_that_learned_all_tasks_at_once_has_no_score_right_after_each(tmp_path: Path) -> None:
    said = remarks([summary_of(make_sequential(tmp_path / "run", jointly=True))])
    assert "Never shipped, measured as a peer: run; all tasks were learned at once." in said
    assert not any("right after each task" in line for line in said)


def make_changed(folder: Path) -> Run:
    """Return a run whose first task predicts something else after the last one."""
    run = make_plain_run(folder, 80.0, 70.0)
    save_after(run, "leaves", {"bolts": 74.0, "leaves": 70.0}, changed_tasks=["bolts"])
    return run


def test_a_shipped_pack_that_changed_is_a_defect(tmp_path: Path) -> None:
    found = summary_of(make_changed(tmp_path / "run"))
    assert (found.changed, found.verified) == (("bolts",), ("leaves",))
    assert isinstance(found.forgetting_shipped, Missing)
    assert "the stored tensors of bolts do not predict" in defects([found])[0]


def test_a_defect_with_digests_is_hardly_of_the_files(tmp_path: Path) -> None:
    (defect,) = defects([summary_of(make_changed(tmp_path / "run"))])
    assert "another device, number of threads or version of PyTorch can turn an item" in defect
    assert "The digests of their files are checked when they are read" in defect
    assert "Restore" not in defect


def test_a_defect_without_digests_has_two_causes(tmp_path: Path) -> None:
    run = make_changed(tmp_path / "run")
    record = msgspec.structs.replace(run.task("bolts"), files_sha256={})
    (run.task_folder("bolts") / "task.json").write_bytes(encode_record(record))
    (defect,) = defects([summary_of(run)])
    assert "Either their files have changed: restore the run folder." in defect
    assert "another device, number of threads or version of PyTorch can turn an item" in defect


def test_forward_transfer_is_against_the_same_seed_learned_alone(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run-0", 80.0, 73.0, 62.0)
    alone = make_plain_run(tmp_path / "alone-0", 99.0, 70.0, 61.0, method={"alone": True})
    other = make_plain_run(tmp_path / "alone-1", 0.0, 0.0, 0.0, seed=1, method={"alone": True})
    assert pairs_of(summary_of(run, alone=[alone, other])) == Transfer(2.0, close(1.0), 2)


def test_the_error_of_forward_transfer_is_that_over_pairs_where_it_is_larger(tmp_path: Path) -> None:
    runs, alone = make_two_seeds(tmp_path, gains=(2.0, 2.0))
    found = summary_of(*runs, alone=alone)
    assert isinstance(found.transfer, ForwardTransfer)
    assert (found.transfer.error_over_seeds, found.transfer.seeds) == (0.0, 2)
    assert found.transfer.error == found.transfer.pairs.error > 0
    assert cell(found, TRANSFER) == "+2.0 ± 0.3"


def test_the_error_of_forward_transfer_is_that_over_seeds_where_it_is_larger(tmp_path: Path) -> None:
    runs, alone = make_two_seeds(tmp_path, gains=(0.0, 4.0))
    found = summary_of(*runs, alone=alone)
    assert isinstance(found.transfer, ForwardTransfer)
    assert found.transfer.error == found.transfer.error_over_seeds == close(2.0)
    assert cell(found, TRANSFER) == "+2.0 ± 2.0"
    assert (
        "Forward transfer of run: over 4 pairs of seed and task; the standard error is 1.2 over these and 2.0 over "
        "seeds, and ± is the larger one." in remarks([found])
    )


def test_forward_transfer_of_one_seed_has_no_error_over_seeds(tmp_path: Path) -> None:
    runs, alone = make_two_seeds(tmp_path, gains=(2.0, 2.0))
    said = remarks([summary_of(*runs, alone=alone[:1])])
    assert (
        "Forward transfer of run: over 2 pairs of seed and task in 1 of its 2 seeds, ± is the standard error over "
        "them; that over seeds may be larger, and takes two." in said
    )


def test_forward_transfer_of_one_task_has_no_error(tmp_path: Path) -> None:
    alone = make_plain_run(tmp_path / "alone", 80.0, 70.0, method={"alone": True})
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 73.0), alone=[alone])
    assert cell(found, TRANSFER) == "+3.0"
    assert any(
        line.endswith("over 1 pairs of seed and task, too few for a standard error.")
        for line in remarks([found])
    )


def test_what_earlier_tasks_do_may_differ_from_the_reference(tmp_path: Path) -> None:
    alone = make_plain_run(tmp_path / "alone", 80.0, 70.0, 61.0, method={"alone": True})
    guided = {"guidance": "distance", "drift_weight": 0.0}
    start = {"start": "gated", "learning_rate_factor": 0.3}
    run = make_plain_run(tmp_path / "run", 80.0, 73.0, 62.0, generator=guided, transfer=start)
    assert pairs_of(summary_of(run, alone=[alone])) == Transfer(2.0, close(1.0), 2)


def test_the_device_of_the_reference_may_be_another(tmp_path: Path) -> None:
    alone = make_plain_run(
        tmp_path / "alone", 80.0, 70.0, method={"alone": True}, training={"device": "cuda"}
    )
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 73.0), alone=[alone])
    assert pairs_of(found).points == 3.0


def test_a_run_of_another_recipe_is_no_reference_and_the_nearest_is_told(tmp_path: Path) -> None:
    alone = [
        make_plain_run(tmp_path / "long", 80.0, 70.0, training={"epochs": 20}),
        make_plain_run(tmp_path / "small", 80.0, 70.0, training={"epochs": 20}, method={"rank": 4}),
    ]
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 73.0), alone=alone)
    told = "no run of --alone has its recipe; the nearest differs in training.epochs (20, here 5)"
    assert found.transfer == Missing(told)


def test_a_run_of_another_seed_is_no_reference(tmp_path: Path) -> None:
    alone = make_plain_run(tmp_path / "alone", 80.0, 70.0, seed=1)
    found = summary_of(make_plain_run(tmp_path / "run", 80.0, 73.0), alone=[alone])
    assert found.transfer == Missing("the runs of --alone with its recipe have other seeds")


def test_a_run_that_is_its_own_reference_has_no_forward_transfer(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 73.0)
    assert summary_of(run, alone=[run]).transfer == Missing(
        "it is what others are measured against (--alone)"
    )


def test_tasks_that_are_left_out_do_not_count_in_forward_transfer(tmp_path: Path) -> None:
    easy = {"floors": make_floors(99.0), "accuracy": 99.0}
    records = [make_record("bolts"), make_record("leaves", 1, **easy), make_record("signs", 2)]
    alone = make_plain_run(tmp_path / "alone", 80.0, 9.0, 77.0, method={"alone": True})
    found = pairs_of(summary_of(make_run(tmp_path / "run", records), alone=[alone]))
    assert (found.points, found.count) == (3.0, 1)


def test_two_references_for_one_seed_are_refused(tmp_path: Path) -> None:
    alone = [
        make_plain_run(tmp_path / "told", 80.0, method={"alone": True}),
        make_plain_run(tmp_path / "plain", 80.0),
    ]
    with pytest.raises(ConfigError, match="found seed 0, as in .*Leave one of the two out"):
        summary_of(make_plain_run(tmp_path / "run", 80.0), alone=alone)


def test_without_a_word_on_the_task_the_average_is_over_the_tasks_that_count(tmp_path: Path) -> None:
    records = [make_record("bolts", floors=make_floors(99.0)), make_record("leaves", 1)]
    run = make_run(tmp_path / "run", records)
    save_after(run, "leaves", {}, class_incremental={"bolts": 90.0, "leaves": 41.5})
    assert summary_of(run).class_incremental == Spread(41.5, None, 1)


def test_class_incremental_accuracy_before_the_last_task_is_not_that_after_it(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0)
    save_after(run, "bolts", {}, class_incremental={"bolts": 80.0})
    assert isinstance(summary_of(run).class_incremental, Missing)


def test_class_incremental_accuracy_needs_every_task_among_the_answers(tmp_path: Path) -> None:
    records = [make_record("bolts", floors=make_floors(99.0)), make_record("leaves", 1)]
    run = make_run(tmp_path / "run", records)
    save_after(run, "leaves", {}, class_incremental={"leaves": 70.0})
    found = summary_of(run).class_incremental
    assert found == Missing(
        "not measured for every task (a peer that keeps nothing, or evaluation.class_incremental)"
    )


def test_of_tasks_with_the_same_classes_the_class_alone_is_judged_too(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0)
    both, class_alone = {"bolts": 30.0, "leaves": 50.0}, {"bolts": 60.0, "leaves": 80.0}
    save_after(run, "leaves", {}, class_incremental=both, domain_incremental=class_alone)
    assert summary_of(run).domain_incremental == Spread(70.0, None, 1)
    assert summary_of(run).class_incremental == Spread(40.0, None, 1)


def test_of_tasks_with_other_classes_nothing_is_said_of_the_class_alone(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0, 70.0)
    save_after(run, "leaves", {}, class_incremental={"bolts": 30.0, "leaves": 50.0})
    assert isinstance(summary_of(run).domain_incremental, Missing)


def test_what_no_run_was_asked_to_measure_is_not_said_to_be_missing(tmp_path: Path) -> None:
    found = summary_of(make_plain_run(tmp_path / "run", 80.0))
    assert "class_incremental" not in [column.key for column in columns([found])]
    assert not any("lass-incremental" in line for line in remarks([found]))


def test_what_one_arm_measured_is_said_to_be_missing_in_the_other(tmp_path: Path) -> None:
    run = make_plain_run(tmp_path / "run", 80.0)
    save_after(run, "bolts", {}, class_incremental={"bolts": 80.0})
    comparison = compare([run, make_plain_run(tmp_path / "wide", 80.0, method={"rank": 32})])
    said = remarks([summarize(arm, comparison) for arm in comparison.arms])
    missing = "not measured for every task (a peer that keeps nothing, or evaluation.class_incremental)"
    assert f"No class-incremental for wide: {missing}." in said


def test_a_number_that_only_some_seeds_have_says_so(tmp_path: Path) -> None:
    tested = make_plain_run(tmp_path / "run-0", 80.0, 70.0)
    save_after(tested, "leaves", {"bolts": 80.0, "leaves": 70.0})
    found = summary_of(tested, make_plain_run(tmp_path / "run-1", 80.0, 70.0, seed=1))
    assert "Forgetting now of run: over 1 of its 2 seeds." in remarks([found])
