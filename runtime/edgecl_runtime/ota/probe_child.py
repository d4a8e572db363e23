"""`python -m edgecl_runtime.ota.probe_child BUNDLE PACK...`: the self-test of new content, in a process of its own.

Whatever the content does to this process, the program that runs it goes on: a crash, a hang or a hunger for memory ends
here. The answer is one JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgecl_runtime.errors import EdgeclRuntimeError, MissingExtraError, ProbeMismatchError
from edgecl_runtime.runtime import Runtime

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the self-tests gave, and return 0 if every pack passed its own."""
    parser = argparse.ArgumentParser(prog="python -m edgecl_runtime.ota.probe_child")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("packs", type=Path, nargs="*")
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    arguments = parser.parse_args(argv)
    _limit(memory_bytes=arguments.memory_bytes, seconds=arguments.seconds)
    answer = _probe(arguments.bundle, arguments.packs)
    print(json.dumps(answer))
    return 0 if answer["reason"] is None else 1


def _limit(*, memory_bytes: int, seconds: int) -> None:
    """Let the system end this process before it harms the device; where the system cannot, nobody is asked."""
    with suppress(OSError):  # Linux: when memory runs out for all, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        import resource
    except ImportError:  # Windows
        return
    # RLIMIT_DATA counts what is allocated, and not address space that onnxruntime reserves or files that are mapped.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    signal.alarm(seconds)


def _probe(bundle: Path, packs: Sequence[Path]) -> dict[str, Any]:
    tested = bundle
    latencies = []
    try:
        runtime = Runtime.open(bundle, [])
        for tested in packs:
            task = runtime.add(tested)
            runtime.verify(task)
            latencies.append(_latency_ms(runtime, task))
    except MemoryError as error:
        return _failure("memory", tested, str(error) or "no memory within the limit")
    except ProbeMismatchError as error:
        return _failure("mismatch", tested, error.found)
    except MissingExtraError as error:
        return _failure("missing", tested, str(error))
    except EdgeclRuntimeError as error:
        return _failure("refused", tested, str(error))
    return {"reason": None, "path": None, "message": "", "latency_ms": latencies}


def _latency_ms(runtime: Runtime, task: str) -> float:
    """Return the time of the self-test per item, once it is warm."""
    started = time.perf_counter()
    runtime.verify(task)
    return (time.perf_counter() - started) * 1000 / len(runtime.pack(task).manifest.probe.seeds)


def _failure(reason: str, path: Path, message: str) -> dict[str, Any]:
    return {"reason": reason, "path": str(path), "message": message, "latency_ms": []}


if __name__ == "__main__":
    sys.exit(main())
