"""Whether new content works on this device, asked of a child process that may crash, hang or run out of memory."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["PROBE_COMMAND", "ProbeLimits", "ProbeResult", "run_probe"]

PROBE_COMMAND: Final = (sys.executable, "-m", "edgecl_runtime.ota.probe_child")

_REASONS = ("memory", "mismatch", "missing", "refused")
_LAST_LETTERS = 300


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """What a self-test may take.

    Attributes:
        seconds: For opening the backbone, and as many again for each pack.
        memory_bytes: That the child may allocate; files it maps do not count.
        latency_ms: Of an item of a pack's self-test, or None for as long as it takes within `seconds`.
    """

    seconds: int = 60
    memory_bytes: int = 2 << 30
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of a self-test.

    Attributes:
        reason: None if all is well, otherwise "mismatch", "refused", "memory", "crash", "timeout", "slow", or
            "missing" for a part of edgecl-runtime that is not installed here.
        message: What happened, for people.
        culprit: The file or folder that is to blame, if the child lived to name it.
    """

    reason: str | None
    message: str = ""
    culprit: Path | None = None


def run_probe(
    bundle: Path, packs: Sequence[Path], limits: ProbeLimits, *, command: Sequence[str] = PROBE_COMMAND
) -> ProbeResult:
    """Open a bundle and packs in a child process, run the self-test of each pack, and return what came of it.

    Args:
        bundle: The folder of the backbone.
        packs: Files of different tasks; without any, the backbone is opened.
        limits: Beyond which the child is ended.
        command: The program that takes the paths and limits and answers as `probe_child` does.
    """
    seconds = limits.seconds * (1 + len(packs))
    asked = [*command, str(bundle), *map(str, packs)]
    asked += ["--memory-bytes", str(limits.memory_bytes), "--seconds", str(seconds + 1)]
    try:
        done = subprocess.run(
            asked,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbeResult("timeout", f"the self-test did not end within {seconds} s")
    answer = _read_answer(done.stdout)
    if answer is None or (answer.reason is None and done.returncode != 0):
        said = done.stderr[-_LAST_LETTERS:].strip()
        return ProbeResult(
            "crash", f"the self-test ended with {done.returncode}: {said or 'it said nothing'}"
        )
    return _judge(answer, packs, limits)


@dataclass(frozen=True, slots=True)
class _Answer:
    reason: str | None
    path: str | None
    message: str
    latency_ms: tuple[float, ...]


def _read_answer(output: str) -> _Answer | None:
    """Return what the child said in its last line, or None if it died before it could."""
    last = output.strip().rpartition("\n")[2]
    try:
        data = read.record(
            parse_object(last.encode()), "answer", required=("reason", "path", "message", "latency_ms")
        )
        times = read.items(data["latency_ms"], "latency_ms", minimum=0, maximum=4096)
        reason = data["reason"]
        return _Answer(
            None if reason is None else read.choice(reason, "reason", among=_REASONS),
            None if reason is None else str(data["path"]),
            str(data["message"]),
            tuple(read.number(value, "latency_ms") for value in times),
        )
    except (StrictJsonError, FieldError):
        return None


def _judge(answer: _Answer, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
    if answer.reason is not None:
        return ProbeResult(answer.reason, answer.message, Path(answer.path) if answer.path else None)
    if len(answer.latency_ms) != len(packs):
        return ProbeResult("crash", f"{len(answer.latency_ms)} of {len(packs)} packs were tested")
    highest = limits.latency_ms if limits.latency_ms is not None else math.inf
    for path, taken in zip(packs, answer.latency_ms, strict=True):
        if taken > highest:
            return ProbeResult("slow", f"{taken:.1f} ms an item, at most {highest:.1f} ms are allowed", path)
    return ProbeResult(None)
