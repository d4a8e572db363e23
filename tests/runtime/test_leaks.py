"""Nothing is left behind by switches, additions and removals."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path

import numpy as np
import pytest

from edgecl_runtime import Runtime
from edgecl_runtime.bench.machine import resident_bytes
from tests.runtime.factories import IMAGE_BUNDLE, make_tensors, write_pack_file

MAPS = Path("/proc/self/maps")
IMAGE = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
CYCLES = 1000
SWITCHES = 4000
SLACK = (
    3_000_000  # of an allocator; the tensors of a task take 26 kB, so that one lost in thirty calls is seen
)


def open_eight(folder: Path) -> Runtime:
    """Return a runtime of eight tasks whose budget holds three."""
    for number in range(8):
        write_pack_file(folder, task=f"task-{number}", tensors=make_tensors(rank=200))
    runtime = Runtime.open(IMAGE_BUNDLE, folder)
    runtime.warm_up(["task-0"])
    return Runtime.open(IMAGE_BUNDLE, folder, active_bytes=3 * runtime.status().active_bytes)


@pytest.mark.slow
def test_switches_leave_nothing_behind(tmp_path: Path) -> None:
    runtime = open_eight(tmp_path)
    turn = itertools.cycle(runtime.tasks)
    for _ in range(SWITCHES // 4):
        runtime.predict(IMAGE, task=next(turn))
    before = resident_bytes()
    for _ in range(SWITCHES):
        runtime.predict(IMAGE, task=next(turn))
    assert resident_bytes() - before < SLACK
    assert runtime.status().active_tasks == 3


@pytest.mark.slow
def test_additions_and_removals_leave_nothing_behind(tmp_path: Path) -> None:
    runtime = open_eight(tmp_path)
    path, held = tmp_path / "task-0-1.ecpack", []
    for cycle in range(CYCLES):
        runtime.remove("task-0")
        runtime.add(path)
        runtime.predict(IMAGE, task="task-0")
        if cycle % (CYCLES // 4) == 0:
            gc.collect()
            held.append(resident_bytes())
    assert held[-1] - held[1] < SLACK


@pytest.mark.skipif(not MAPS.is_file(), reason="this system does not show the mappings of a process")
def test_a_removed_pack_is_unmapped(tmp_path: Path) -> None:
    runtime = open_eight(tmp_path)
    runtime.predict(IMAGE, task="task-0")
    runtime.remove("task-0")
    gc.collect()
    assert "task-0-1.ecpack" not in MAPS.read_text(encoding="utf-8")
    assert "task-1-1.ecpack" in MAPS.read_text(encoding="utf-8")
