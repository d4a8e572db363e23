"""Runs a backbone a few times in a process of its own, and says how long that took and what it held.

A process of its own, because a provider that does not fit its libraries may end the process, and because the most
memory a process ever held is known for whole processes only.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecl_runtime.doctor.facts import Trial

if TYPE_CHECKING:
    from edgecl_runtime.engine import ModelInputs, PlacedTask
    from edgecl_runtime.preprocess.spec import Preprocessing

__all__ = ["main", "try_bundle"]

_CALLS = 7
_TIMEOUT_S = 600.0
_FAILED = 3
_STATUS = Path("/proc/self/status")


def try_bundle(bundle: Path, *, batch: int, providers: Sequence[str] = ()) -> Trial:
    """Return how `batch` rows without a task run on the backbone of a bundle, on this machine.

    Args:
        bundle: Its folder.
        batch: Rows in a call; texts are as long as the backbone allows.
        providers: What to run it on; without them those that the bundle asks for.
    """
    command = [sys.executable, "-m", "edgecl_runtime.doctor.trial", str(bundle), str(batch), *providers]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Trial(error=f"no result after {_TIMEOUT_S:.0f} s", batch=batch)
    if done.returncode == 0:
        return Trial(**json.loads(done.stdout))
    if done.returncode == _FAILED:
        return Trial(error=done.stdout.strip(), batch=batch)
    return Trial(error=_last_words(done), batch=batch)


def main(folder: str, batch: str, *providers: str) -> int:
    """Print what `try_bundle` reads, and return the exit code."""
    from edgecl_runtime.bundle import read_bundle
    from edgecl_runtime.engine.backends import open_engine
    from edgecl_runtime.errors import EdgeclRuntimeError

    try:
        bundle = read_bundle(folder)
        if providers:
            bundle = replace(bundle, profile=replace(bundle.profile, providers=providers, backend=None))
        placed = open_engine(bundle).place(None)
        inputs = _inputs(bundle.preprocessing, int(batch))
        placed.run(inputs)
        times = [_timed(placed, inputs) for _ in range(_CALLS)]
    except EdgeclRuntimeError as error:
        print(error)
        return _FAILED
    latency_ms = round(statistics.median(times) * 1000, 3)
    print(json.dumps({"latency_ms": latency_ms, "peak_bytes": _peak_bytes(), "batch": int(batch)}))
    return 0


def _timed(placed: PlacedTask, inputs: ModelInputs) -> float:
    start = time.perf_counter()
    placed.run(inputs)
    return time.perf_counter() - start


def _inputs(preprocessing: Preprocessing, batch: int) -> ModelInputs:
    """Return the graph inputs of so many rows: noise as images, texts of the longest length."""
    import numpy as np

    from edgecl_runtime.preprocess.spec import TextPreprocessing
    from edgecl_runtime.probe import probe_inputs

    if isinstance(preprocessing, TextPreprocessing):
        ones = np.ones((batch, preprocessing.max_tokens), np.int64)
        return {"input_ids": ones * preprocessing.pad_id, "attention_mask": ones}
    return probe_inputs(preprocessing, seeds=range(batch))


def _peak_bytes() -> int | None:
    """Return the most memory this process ever held; unlike getrusage it leaves out who started it."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines() or ["nothing was said"]
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return f"the process ended by {ended}: {lines[-1]}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
