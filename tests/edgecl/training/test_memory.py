from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from edgecl.training import memory
from edgecl.training.memory import peak_bytes, reset_peak

CPU = torch.device("cpu")
TAKEN = 2**26


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how much memory a process takes")
def test_the_peak_grows_when_memory_is_taken() -> None:
    reset_peak(CPU)
    before = peak_bytes(CPU)
    np.ones(TAKEN, np.uint8)
    after = peak_bytes(CPU)
    assert before is not None
    assert after is not None
    assert after - before > TAKEN // 2


def test_where_the_system_does_not_say_there_is_no_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "none" / "clear_refs")
    reset_peak(CPU)
    assert peak_bytes(CPU) is None


@pytest.mark.parametrize("content", ["", "VmRSS: 12 kB\n", "VmHWM:\n", "no colon\n", "VmHWM: much kB\n"])
def test_a_status_without_a_peak_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "status").write_text(content, encoding="utf-8")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    assert peak_bytes(CPU) is None


def test_on_a_gpu_the_peak_is_that_of_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    reset = Mock()
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 12)
    device = torch.device("cuda")
    reset_peak(device)
    assert peak_bytes(device) == 12
    reset.assert_called_once_with(device)
