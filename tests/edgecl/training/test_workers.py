from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgecl.config import RunConfig
from edgecl.errors import ConfigError
from edgecl.training.run import Run
from edgecl.training.train import train_stream
from edgecl.training.workers import Workers
from tests.edgecl.factories import (
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("one", "two")
PROCESSES = 2


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def run_together(module: str, *arguments: str) -> None:
    """Run a module as `torchrun` would on one machine, with the processes talking through its loopback device."""
    shared = {
        "WORLD_SIZE": str(PROCESSES),
        "LOCAL_WORLD_SIZE": str(PROCESSES),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", module, *arguments]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, said


def train_together(config: RunConfig, data: Path, folder: Path) -> Run:
    settings = msgspec.json.encode(config).decode()
    run_together("tests.edgecl.training.worker", str(folder), str(data), settings, *NAMES)
    return Run.open(folder)


@given(st.integers(1, 40), st.integers(1, 9))
def test_the_shares_of_all_processes_are_all_rows_once(rows: int, count: int) -> None:
    shares = [Workers(rank, count).share(np.arange(rows)) for rank in range(count)]
    assert sorted(np.concatenate(shares).tolist()) == list(range(rows))


@given(st.integers(1, 40), st.integers(1, 9))
def test_shares_differ_by_one_row_at_most_and_the_first_has_one(rows: int, count: int) -> None:
    sizes = [len(Workers(rank, count).share(np.arange(rows))) for rank in range(count)]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] >= 1


def test_without_a_launcher_a_process_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = Workers.of_environment()
    assert (alone.rank, alone.count, alone.is_first) == (0, 1, True)


def test_a_process_on_its_own_sums_nothing_and_waits_for_nobody() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    Workers().sum_gradients([parameter])
    Workers().wait()
    assert parameter.grad is None
    assert Workers().sum(1.5) == 1.5
    assert Workers().of_first("mine") == "mine"


def test_what_the_first_process_says_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.utils.broadcast_object_list", Mock(return_value=["the first one's"]))
    assert Workers(1, 2).of_first("mine") == "the first one's"


def test_several_processes_without_accelerate_are_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ConfigError, match="needs accelerate. Install it: pip install accelerate"):
        Workers.of_environment()


def test_processes_that_cannot_talk_to_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("accelerate.PartialState", Mock(return_value=Mock(num_processes=1)))
    with pytest.raises(
        ConfigError, match="found 1 that can talk to each other, expected the 2 that were launched"
    ):
        Workers.of_environment()


@pytest.mark.slow
@pytest.mark.parametrize(
    "tables",
    [
        {"method": {"name": "adaprefix++"}},
        pytest.param({"method": {"jointly": True, "rank": 0}}, marks=pytest.mark.long),
        pytest.param(
            {"transfer": {"start": "gated"}, "training": {"validation_fraction": 0.2, "patience": 1}},
            marks=pytest.mark.long,
        ),
    ],
    ids=["own", "joint", "gated"],
)
def test_two_processes_end_with_the_tensors_of_one(tmp_path: Path, tables: dict[str, dict[str, Any]]) -> None:
    settings = make_config(make_image_folder(tmp_path / "vit"), batch_size=13, weight_decay=0.1)
    config, data = changed(settings, **tables), make_image_data(tmp_path / "shade.npz", items=50)
    together = train_together(config, data, tmp_path / "together")
    specs = [make_spec(data, name=name) for name in NAMES]
    alone = train_stream(config, specs, tmp_path / "alone", report=Recorder())
    assert [task.position for task in together.tasks] == [0, 1]
    for name in NAMES:
        for tensor, array in alone.tensors(name).items():
            np.testing.assert_allclose(getattr(together.tensors(name), tensor), array, rtol=0, atol=1e-5)
        assert together.task(name).losses == pytest.approx(alone.task(name).losses, abs=1e-5)
