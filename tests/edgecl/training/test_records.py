from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecl.backbones.injection import InjectedBackbone
from edgecl.config import RunConfig, TransferConfig
from edgecl.errors import RunError
from edgecl.evaluation.scores import Score
from edgecl.training.checkpoint import Progress
from edgecl.training.loop import Lesson
from edgecl.training.records import AfterTask, decode_record, decode_run, encode_record
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


@pytest.fixture
def lora(tmp_path: Path) -> RunConfig:
    return changed(make_config(make_image_folder(tmp_path / "vit"), epochs=3), method={"name": "lora"})


def make_after(number: float) -> AfterTask:
    return AfterTask({"shade": Score(50.0, number)}, {"shade": True}, {"shade": 0.0})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused_before_it_is_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_record(make_after(number))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_other_number_is_read_back(number: float) -> None:
    record = make_after(number)
    assert decode_record(encode_record(record), AfterTask, Path("after.json")) == record


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"start": "previous"}, TransferConfig(start="average", average_rate=1.0)),
        ({"start": "gated"}, TransferConfig(start="gated", proposal="tasks", evidence="task")),
        ({"start": "gated", "proposal": "mixture"}, TransferConfig("gated", "mixture", evidence="task")),
        ({}, TransferConfig(start="identity")),
    ],
)
def test_starts_of_earlier_versions_are_read_as_what_they_were(
    written: dict[str, str], meant: TransferConfig
) -> None:
    tree = {"config": {"transfer": written}, "fingerprint": "ab", "modality": "image", "format_version": 1}
    read = decode_run(json.dumps(tree).encode(), Path("run.json")).config.transfer
    assert read == msgspec.structs.replace(meant, least_gain=0.0)


def test_a_peer_that_diverges_leaves_a_run_that_can_be_read(tmp_path: Path, lora: RunConfig) -> None:
    data = make_image_data(tmp_path / "shade.npz")
    steep = changed(lora, training={"learning_rate": 1e30})
    with pytest.raises(RunError, match=r"tasks/shade: training diverged in epoch \d .*learning_rate"):
        train_stream(steep, [make_spec(data)], tmp_path / "run", report=Recorder())
    run = Run.open(tmp_path / "run")
    assert (run.tasks, run.metrics()["average_accuracy"]) == ((), None)


def test_a_peer_that_diverges_in_its_last_step_says_so(
    tmp_path: Path, lora: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of an epoch is that before its last step."""

    def overstep(backbone: InjectedBackbone, lessons: Sequence[Lesson], **_: Any) -> Progress:
        torch.nn.init.constant_(lessons[0].learner.head.bias, torch.inf)
        return Progress(epochs=1, losses=(0.5,), seconds=1.0)

    monkeypatch.setattr("edgecl.training.one_task.train_lessons", overstep)
    data = make_image_data(tmp_path / "shade.npz")
    with pytest.raises(RunError, match=r"task 'shade': training diverged \(head.bias is not finite\)"):
        train_stream(lora, [make_spec(data)], tmp_path / "run", report=Recorder())
    assert Run.open(tmp_path / "run").tasks == ()
