"""What the first release wrote is read as it was meant."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from edgecl.config import EvaluationConfig, RunConfig
from edgecl.training.identity import identity
from edgecl.training.records import RunRecord
from edgecl.training.run import Run
from edgecl.training.train import train_stream
from tests.edgecl.factories import (
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)
from tests.edgecl.training.test_resume import assert_same_tensors, stop

TABLES = ("seed", "backbone", "method", "training")
METHOD = ("name", "rank", "prefix_length")
LATER_TRAINING = ("validation_fraction", "patience", "head_start", "double_softmax")
TASK = (
    *("name", "position", "labels", "data", "data_fingerprint", "train_items", "test_items"),
    *("accuracy", "losses", "steps", "seconds", "versions"),
)
RECORD = RunRecord(RunConfig(seed=1), fingerprint="ab" * 32, modality="image")


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Settings that say nothing which the first release did not know."""
    config = changed(
        make_config(make_image_folder(tmp_path / "vit"), epochs=3),
        method={"first_prefix": "trained"},
        transfer={"least_gain": 0.0},
    )
    return msgspec.structs.replace(config, evaluation=EvaluationConfig())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def age_run(folder: Path) -> dict[str, Any]:
    """Rewrite `run.json` as the first release did, and return it."""
    path = folder / "run.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    settings = {table: record["config"][table] for table in TABLES}
    settings["method"] = {key: settings["method"][key] for key in METHOD}
    settings["training"] = {
        key: value for key, value in settings["training"].items() if key not in LATER_TRAINING
    }
    record["config"] = settings
    path.write_text(json.dumps(record), encoding="utf-8")
    return record


def age_task(folder: Path) -> None:
    """Rewrite a finished task as the first release did."""
    path = folder / "task.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: record[key] for key in TASK}), encoding="utf-8")
    for name in ("after.json", "signature.safetensors"):
        (folder / name).unlink()


def age_checkpoint(path: Path, said: str) -> None:
    """Rewrite a checkpoint as the first release did: without a choice and validation, with buffers nobody reads."""
    tensors = load_file(path)
    with safe_open(path, framework="pt") as stored:
        head = json.loads(stored.metadata()["checkpoint"])
    del head["validation"], head["choice"]
    scale = {
        "learner.head.mean": tensors["learner.head.weight"][0],
        "learner.head.std": tensors["learner.head.bias"][:1],
    }
    head["identity"] = said
    aged = {name: tensor.clone() for name, tensor in (tensors | scale).items()}
    save_file(aged, path, metadata={"checkpoint": json.dumps(head)})


def first_identity(record: dict[str, Any], *parts: str) -> str:
    """Return an identity as the first release made it."""
    settings = json.dumps(record, separators=(",", ":"))
    return hashlib.sha256("\n".join((settings, *parts)).encode()).hexdigest()


def test_an_unfinished_task_of_the_first_release_is_continued(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    checkpoint = stop(config, data, tmp_path / "old")
    whole = train_stream(config, [make_spec(data)], tmp_path / "whole", report=Recorder())
    task, record = whole.task("shade"), age_run(tmp_path / "old")
    age_checkpoint(checkpoint, first_identity(record, "shade", task.data_fingerprint, *task.labels))
    report = Recorder()
    continued = train_stream(config, [make_spec(data)], tmp_path / "old", report=report)
    assert report.epochs[0] == ("shade", 1)
    assert_same_tensors(continued, whole)


def test_a_finished_run_of_the_first_release_opens(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train_stream(config, [make_spec(data)], tmp_path / "old", report=Recorder())
    before = run.task("shade")
    age_run(run.folder)
    age_task(run.task_folder("shade"))
    old = Run.open(run.folder)
    at_the_identity = changed(run.record.config, transfer={"start": "identity"})
    assert old.record == msgspec.structs.replace(run.record, config=at_the_identity)
    assert (old.task("shade").accuracy, old.task("shade").losses) == (before.accuracy, before.losses)
    assert (old.task("shade").score, old.task("shade").best_floor) == (before.accuracy, None)


def test_a_run_of_the_first_release_takes_one_more_task(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train_stream(config, [make_spec(data)], tmp_path / "old", report=Recorder())
    age_run(run.folder)
    age_task(run.task_folder("shade"))
    train_stream(config, [make_spec(data), make_spec(data, name="more")], run.folder, report=Recorder())
    after = run.after("more")
    assert after is not None
    assert set(after.now) == {"shade", "more"}
    assert after.shipped_unchanged == {"more": True}


@pytest.mark.parametrize(
    "change",
    [
        {"method": {"rank": 3}},
        {"training": {"patience": 2}},
        {"transfer": {"start": "average", "average_rate": 1.0}},
        {"generator": {"drift_weight": 1.0}},
    ],
)
def test_other_settings_have_another_identity(change: dict[str, Any]) -> None:
    other = msgspec.structs.replace(RECORD, config=changed(RECORD.config, **change))
    assert identity(other, ()) != identity(RECORD, ())


def test_another_backbone_has_another_identity() -> None:
    assert identity(msgspec.structs.replace(RECORD, fingerprint="cd" * 32), ()) != identity(RECORD, ())
