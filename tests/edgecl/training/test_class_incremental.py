"""Every task answers as it is packed when it is tested again, and for all items where nobody says the task."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from edgecl.config import RunConfig
from edgecl.training.records import AfterTask
from edgecl.training.revisit import Revisit
from edgecl.training.train import train_stream
from tests.edgecl.factories import (
    IMAGE_SIZE,
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)

TEST_ITEMS = 9
HALF = {np.dtype(np.float16)}


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = make_config(make_image_folder(tmp_path / "vit"), epochs=1)
    return changed(config, evaluation={"matrix": "last", "class_incremental": True})


def train_two(config: RunConfig, folder: Path, *, report: Recorder | None = None) -> AfterTask:
    """Return what is measured after two tasks on the same data, of three classes with three test items each."""
    data = make_image_data(folder / "shade.npz")
    specs = [make_spec(data, name=name) for name in ("one", "two")]
    found = train_stream(config, specs, folder / "run", report=report or Recorder()).after("two")
    assert found is not None
    return found


def test_the_right_task_with_a_wrong_class_is_wrong(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    always_the_first_class = np.tile([9.0, 0.0, 0.0], (TEST_ITEMS, 1))
    monkeypatch.setattr(Revisit, "_scores", Mock(return_value=always_the_first_class))
    found = train_two(config, tmp_path)
    assert found.class_incremental == pytest.approx({"one": 100 / 3, "two": 0.0})
    assert found.domain_incremental == pytest.approx({"one": 100 / 3, "two": 100 / 3})


def test_tasks_are_tested_again_as_they_are_packed(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = Mock(return_value=np.zeros(TEST_ITEMS, np.int64))
    monkeypatch.setattr("edgecl.training.revisit.predictions", predictions)
    train_two(changed(config, method={"name": "shared"}), tmp_path)
    tested = [call.kwargs["task"] for call in predictions.call_args_list]
    assert [{array.dtype for _, array in tensors.items()} for tensors in tested] == [HALF] * 4


@pytest.mark.parametrize("method", ["adaprefix", "shared"])
def test_tasks_answer_as_they_are_packed_where_nobody_says_the_task(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    scores = Mock(return_value=np.eye(TEST_ITEMS, 3))
    monkeypatch.setattr(Revisit, "_scores", scores)
    train_two(changed(config, method={"name": method}), tmp_path)
    answering = [call.args[1] for call in scores.call_args_list]
    assert [{array.dtype for _, array in tensors.items()} for tensors in answering] == [HALF] * 4


def test_only_test_items_that_no_longer_fit_into_memory_are_read_again(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_task = TEST_ITEMS * IMAGE_SIZE * IMAGE_SIZE * 3
    monkeypatch.setattr("edgecl.training.revisit.KEPT_BYTES", one_task)
    report = Recorder()
    train_two(changed(config, evaluation={"class_incremental": False}), tmp_path, report=report)
    assert [report.checked.count((name, 48, 48)) for name in ("one", "two")] == [1, 2]
