from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecl.config import MethodConfig, RunConfig, TrainingConfig, TransferConfig
from edgecl.errors import RunError
from edgecl.training.heldout import HeldOut
from edgecl.training.records import RunRecord, TaskRecord
from edgecl.training.run import Learned, Run
from edgecl_runtime.tensors import TaskTensors, expected_shapes
from tests.edgecl.factories import DIMENSIONS, edit_json

AFRESH = TransferConfig(start="identity", least_gain=0.0)
METHOD = MethodConfig(first_prefix="trained")
RECORD = RunRecord(RunConfig(seed=1, method=METHOD, transfer=AFRESH), fingerprint="ab" * 32, modality="image")
HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def make_record(name: str = "leaves", **changes: Any) -> TaskRecord:
    fields: dict[str, Any] = {
        "position": 0,
        "labels": ("healthy", "rust"),
        "data": "/data/leaves",
        "data_fingerprint": "0" * 64,
        "train_items": 8,
        "test_items": 2,
        "accuracy": 75.0,
        "losses": (0.7, 0.5),
        "steps": 4,
        "seconds": 1.234567,
        "versions": {"torch": "2"},
    }
    return TaskRecord(name=name, **{**fields, **changes})


def make_tensors() -> TaskTensors:
    random = np.random.default_rng(0)
    shapes = expected_shapes(DIMENSIONS, prefix_length=2, rank=1, classes=2)
    return TaskTensors(
        **{name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    )


def make_learned() -> Learned:
    return Learned(make_tensors(), peer={}, state={})


def make_heldout() -> HeldOut:
    return HeldOut((np.zeros((4, 4, 3), np.uint8),), np.zeros(1, np.int64))


def make_run(folder: Path, *records: TaskRecord) -> Run:
    """Return a run with these tasks finished."""
    run = Run.create(folder / "run", RECORD)
    for record in records:
        run.task_folder(record.name).mkdir(parents=True)
        run.save_task(record, make_learned(), make_heldout())
    return run


def changed(**changes: Any) -> RunRecord:
    return msgspec.structs.replace(RECORD, **changes)


def test_a_run_is_read_back(tmp_path: Path) -> None:
    folder = make_run(tmp_path, make_record()).folder
    run = Run.open(folder)
    assert run.record == RECORD
    assert msgspec.structs.replace(run.task("leaves"), files_sha256={}) == make_record()
    assert run.tasks == (run.task("leaves"),)


def test_tensors_are_read_back_to_the_bit(tmp_path: Path) -> None:
    found = dict(make_run(tmp_path, make_record()).tensors("leaves").items())
    assert all(np.array_equal(found[name], array) for name, array in make_tensors().items())


def test_held_out_items_are_read_back(tmp_path: Path) -> None:
    assert make_run(tmp_path, make_record()).heldout("leaves").targets.tolist() == [0]


def test_tasks_stand_in_the_order_of_training(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record("zebra", position=0), make_record("apple", position=1))
    assert [task.name for task in run.tasks] == ["zebra", "apple"]


def test_the_same_settings_open_the_run_that_is_there(tmp_path: Path) -> None:
    make_run(tmp_path, make_record())
    assert [task.name for task in Run.create(tmp_path / "run", RECORD).tasks] == ["leaves"]


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path)
    with pytest.raises(RunError, match="made with backbone abababababab, this command's is cdcdcdcdcdcd"):
        Run.create(tmp_path / "run", changed(fingerprint="cd" * 32))


def test_changed_settings_are_named(tmp_path: Path) -> None:
    make_run(tmp_path)
    config = RunConfig(
        seed=2, method=METHOD, transfer=AFRESH, training=TrainingConfig(epochs=9, batch_size=1)
    )
    with pytest.raises(RunError, match="other settings") as caught:
        Run.create(tmp_path / "run", changed(config=config))
    assert "seed was 1, is 2; training.epochs was 5, is 9; training.batch_size was 32, is 1)" in str(
        caught.value
    )


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="is not empty and not a run. Choose another folder with --out"):
        Run.create(tmp_path, RECORD)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_becomes_a_run(tmp_path: Path) -> None:
    assert Run.create(tmp_path, RECORD).tasks == ()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run, run.json cannot be read .* Make one: edgecl train"):
        Run.open(tmp_path)


def test_a_run_of_a_newer_format_is_refused_with_what_to_install(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    edit_json(run.folder / "run.json", format_version=2, invention=True)
    with pytest.raises(RunError, match="run.json: format 2, .* reads up to 1. Update"):
        Run.open(run.folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format_version": 1}', '{"format_version": "1"}'])
def test_a_damaged_run_is_refused(tmp_path: Path, content: str) -> None:
    run = make_run(tmp_path)
    (run.folder / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="run.json: "):
        Run.open(run.folder)


def test_a_run_of_nothing_but_brackets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(RunError, match="run.json: damaged"):
        Run.open(tmp_path)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_run_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-run"
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_bytes(raw)
    with suppress(RunError):
        Run.open(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_damaged_task_is_refused(tmp_path: Path, content: bytes) -> None:
    run = make_run(tmp_path, make_record())
    (run.task_folder("leaves") / "task.json").write_bytes(content)
    with pytest.raises(RunError, match="task.json: damaged .* Restore it from a backup"):
        Run.open(run.folder).task("leaves")


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"name": 1}'])
def test_a_task_with_something_else_in_it_is_refused(tmp_path: Path, content: bytes) -> None:
    run = make_run(tmp_path, make_record())
    (run.task_folder("leaves") / "task.json").write_bytes(content)
    with pytest.raises(RunError, match="task.json: not as this edgecl writes it .* restore it from a backup"):
        Run.open(run.folder).task("leaves")


def test_what_a_newer_version_has_added_is_not_called_damage_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record())
    edit_json(run.folder / "run.json", invention=True)
    with pytest.raises(RunError, match="run.json: not as .* `invention`.* update edgecl"):
        Run.open(run.folder)


@pytest.mark.parametrize("file", ["tensors.safetensors", "heldout.safetensors", "method.safetensors"])
def test_one_changed_bit_is_found(tmp_path: Path, file: str) -> None:
    run = make_run(tmp_path)
    run.task_folder("leaves").mkdir(parents=True)
    run.save_task(make_record(), Learned(make_tensors(), {}, {"scale": torch.ones(3)}), make_heldout())
    path = run.task_folder("leaves") / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    readers = {
        "tensors.safetensors": lambda: run.tensors("leaves"),
        "heldout.safetensors": lambda: run.heldout("leaves"),
        "method.safetensors": run.method_state,
    }
    with pytest.raises(RunError, match=f"{file}: cannot be read .sha256 .* was written"):
        readers[file]()


def test_a_run_without_digests_is_still_read(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record())
    edit_json(run.task_folder("leaves") / "task.json", files_sha256={})
    assert np.array_equal(run.tensors("leaves").head_bias, make_tensors().head_bias)


@pytest.mark.parametrize("length", [0, 8, 100, 1000])
def test_tensors_that_were_cut_are_refused(tmp_path: Path, length: int) -> None:
    run = make_run(tmp_path, make_record())
    path = run.task_folder("leaves") / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RunError, match="tensors.safetensors: cannot be read .* Restore the run folder"):
        run.tensors("leaves")


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record())
    (run.task_folder("leaves") / "tensors.safetensors").unlink()
    with pytest.raises(RunError, match="tensors.safetensors: .* Restore the run folder"):
        run.tensors("leaves")


def test_missing_held_out_items_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record())
    (run.task_folder("leaves") / "heldout.safetensors").unlink()
    with pytest.raises(RunError, match="heldout.safetensors: "):
        run.heldout("leaves")


def test_an_unknown_task_is_named_with_those_there_are(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record("leaves"), make_record("steel", position=1))
    with pytest.raises(RunError, match="no finished task 'wood'; there are: leaves, steel"):
        run.task("wood")


def test_a_task_without_its_record_is_not_finished(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record())
    (run.task_folder("leaves") / "task.json").unlink()
    assert run.tasks == ()


def test_a_finished_task_leaves_no_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.task_folder("leaves").mkdir(parents=True)
    (run.task_folder("leaves") / "checkpoint.safetensors").touch()
    run.save_task(make_record(), make_learned(), make_heldout())
    assert sorted(path.name for path in run.task_folder("leaves").iterdir()) == [
        "heldout.safetensors",
        "task.json",
        "tensors.safetensors",
    ]


def test_metrics_are_written_beside_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, make_record(accuracy=75.0), make_record("steel", position=1, accuracy=50.0))
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == run.metrics()
    assert metrics["average_accuracy"] == 62.5
    assert metrics["tasks"][0] == {
        "task": "leaves",
        "score": 75.0,
        "accuracy": 75.0,
        "balanced_accuracy": None,
        "best_floor": None,
        "classes": 2,
        "train_items": 8,
        "test_items": 2,
        "steps": 4,
        "seconds": 1.23,
        "peak_bytes": None,
        "size_bytes": None,
        "shared_bytes": 0,
    }


def test_where_one_class_dominates_the_score_is_the_balanced_accuracy(tmp_path: Path) -> None:
    record = make_record(accuracy=90.0, balanced_accuracy=50.0, dominated=True)
    metrics = make_run(tmp_path, record, make_record("steel", position=1, accuracy=70.0)).metrics()
    assert (metrics["average_accuracy"], metrics["average_score"]) == (80.0, 60.0)


def test_a_run_without_tasks_has_no_average(tmp_path: Path) -> None:
    assert make_run(tmp_path).metrics() == {"average_accuracy": None, "average_score": None, "tasks": []}


def test_two_processes_cannot_hold_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    command = [sys.executable, "-c", HOLD, str(run.folder / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process trains in this run"), run.locked():
            pass
        other.communicate()


def test_a_run_can_be_held_again_after_an_error(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    with run.locked(), pytest.raises(RunError, match="another process"), run.locked():
        pass


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunError, match="is a file"):
        Run.create(tmp_path / "run", RECORD)
