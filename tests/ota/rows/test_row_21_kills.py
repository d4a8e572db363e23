"""Row 21: the process is killed at each system call that changes the disk; run by `make crash`, with all others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ota.kill_sweep import NAMES

ROOT = Path(__file__).parents[3]


def may_trace() -> bool:
    return (
        shutil.which("strace") is not None
        and subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.crash
@pytest.mark.skipif(not may_trace(), reason="strace is not installed or not allowed")
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_each_call_leaves_the_old_or_the_new_state(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ota.kill_sweep", "quick", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1].split(", ")[-1]) == (0, "0 bad"), (
        done.stdout + done.stderr
    )
