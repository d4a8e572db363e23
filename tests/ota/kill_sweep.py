"""Ends a process at each of its system calls, for each operation of a store, on the disk of this machine.

    python -m tests.ota.kill_sweep               every call that takes a path or a descriptor
    python -m tests.ota.kill_sweep quick         the calls that change the disk
    python -m tests.ota.kill_sweep quick commit  those of one operation

strace ends the process: with SIGKILL, when it is about to make its Nth call of one kind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecl_runtime.errors import EdgeclRuntimeError
from edgecl_runtime.store import DiskFiles
from tests.ota.crash_states import MemoryFiles
from tests.ota.store_world import OPERATIONS, Operation
from tests.ota.survival import Seen, complaints, prepared, seen, seen_during

NAMES = (
    "create",
    "install a pack",
    "switch a fetched set",
    "commit",
    "reject",
    "revert",
    "withdraw unsafe",
    "collect garbage",
    "root rotation",
    "raise the high water",
)
CHANGING = (
    "write",
    "fsync",
    "rename",
    "link",
    "linkat",
    "unlink",
    "rmdir",
    "mkdir",
    "chmod",
    "fchmodat",
    "flock",
)
ALL = ("%file,%desc",)


@dataclass(frozen=True, slots=True)
class Kill:
    """One place where a process was ended, and what was wrong afterwards."""

    operation: str
    call: str
    number: int
    complaints: tuple[str, ...]


def sweep(operation: Operation, calls: Sequence[str], scratch: Path) -> Iterator[Kill]:
    """Yield each kill of an operation, by the kind of call and how many of it there were before."""
    allowed = seen_during(MemoryFiles(prepared(operation)), operation)
    template = scratch / "template"
    template.mkdir()
    for step in operation.before:
        step(DiskFiles(), template / "state")
    for call in _made(operation, calls, template, scratch):
        number = 1
        while True:
            parent = _copied(template, scratch / "copy")
            if not _is_killed(operation, parent / "state", f"inject={call}:signal=KILL:when={number}"):
                break
            yield Kill(operation.name, call, number, tuple(_complaints(operation, parent / "state", allowed)))
            number += 1


def _complaints(operation: Operation, folder: Path, allowed: Sequence[Seen]) -> list[str]:
    files = DiskFiles()
    if not folder.exists():
        return [] if (None, None) in allowed else ["the store is gone"]
    now = seen(files, folder)
    found = complaints(files, folder)
    if now not in allowed:
        found.append("neither old nor new")
    if operation.repeats or now == allowed[0]:
        try:
            operation.run(files, folder)
        except EdgeclRuntimeError as error:
            return [*found, f"cannot be done again: {error}"]
        found += complaints(files, folder)
        if not operation.promise(files, folder):
            found.append("the promise is not kept")
    return found


def _made(operation: Operation, calls: Sequence[str], template: Path, scratch: Path) -> list[str]:
    """Return the kinds of call that the operation makes, of those that are asked for."""
    log = scratch / "calls"
    parent = _copied(template, scratch / "copy")
    _is_killed(operation, parent / "state", f"trace={','.join(calls)}", log=log)
    return sorted({line.partition("(")[0] for line in log.read_text().splitlines() if "(" in line})


def _is_killed(operation: Operation, folder: Path, expression: str, *, log: Path = Path(os.devnull)) -> bool:
    """Run the operation in a process under strace, and return whether it was ended."""
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        operation.run(DiskFiles(), folder)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    with subprocess.Popen(
        ["strace", "-qq", "-o", str(log), "-e", "signal=none", "-e", expression, "-p", str(child)]
    ):
        while _tracer(child) == 0:
            time.sleep(0.002)
        os.kill(child, signal.SIGCONT)
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, f"{operation.name} failed under strace"
    return False


def _tracer(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("TracerPid:")).split()[1])


def _copied(template: Path, copy: Path) -> Path:
    """Return a copy of a folder in which files with several names still have them."""
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["cp", "-a", str(template), str(copy)], check=True)
    return copy


def main(arguments: Sequence[str]) -> int:
    """Print how many kills each operation survived, and return 1 if one did not."""
    calls = CHANGING if "quick" in arguments else ALL
    names = [name for name in arguments if name != "quick"] or NAMES
    kills: list[Kill] = []
    for operation in (entry for entry in OPERATIONS if entry.name in names):
        with tempfile.TemporaryDirectory() as scratch:
            mine = list(sweep(operation, calls, Path(scratch)))
        bad = [kill for kill in mine if kill.complaints]
        print(f"{operation.name:22} {len(mine):5} kills, {len(bad)} bad", flush=True)
        for kill in bad:
            print(f"    {kill.call} {kill.number}: {'; '.join(kill.complaints)}")
        kills += mine
    bad = [kill for kill in kills if kill.complaints]
    print(f"{'all':22} {len(kills):5} kills, {len(bad)} bad")
    return 1 if bad or not kills else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
