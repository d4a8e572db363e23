"""Watch what a process does to files and to the network, with strace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Calls that change a file or a folder, and calls that open one, with their arguments and their result.
_CHANGES = re.compile(
    r"^(?:creat|mkdir|mknod|rename|unlink|rmdir|link|symlink|truncate|chmod|chown|lchown|utime)\w*\("
    r"|^(?:fchmodat|fchownat|futimesat|utimensat|mkdirat|mknodat)\w*\("
)
_OPENS = re.compile(r'^open\w*\((?:[^"]*, )?"(?P<path>[^"]*)", (?P<flags>.*)\) += \d')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")
_FAILED = re.compile(r"\) += -1 ")
_NETWORK = re.compile(
    r"^(?:socket|connect|bind|listen|accept|send|recv|get(?:sock|peer)name|\w+sockopt)\w*\("
)
# A path and, before it, the open folder that it starts from.
_PATHS = re.compile(r'(?:\w+<(?P<folder>/[^>]*)>, )?"(?P<path>[^"]*)"')
# What looks like a file and is the kernel: terminals, a process itself, and the semaphores of multiprocessing, which
# a progress bar of torch's exporter makes.
_KERNEL = ("/dev/null", "/dev/tty", "/dev/pts/", "/dev/shm/sem.", "/proc/")


@dataclass(frozen=True, slots=True)
class Trace:
    """What one command and its children did.

    Attributes:
        folder: Where it ran.
        written: The calls that opened a file for writing or changed one, those of the kernel left out.
        network: The calls that made or used a socket, of any family.
        opened: The paths of all files that were opened.
    """

    folder: Path
    written: tuple[str, ...]
    network: tuple[str, ...]
    opened: frozenset[str]

    def written_outside(self, folder: Path) -> tuple[str, ...]:
        """Return the calls that wrote to something other than a folder and what is in it."""
        inside = re.compile(rf"{re.escape(str(folder))}(?:/|$)")
        return tuple(call for call in self.written if not all(map(inside.match, _paths(call, self.folder))))


def why_not() -> str:
    """Return why no process can be watched here, or nothing when one can."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-qq", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"strace cannot trace here: {done.stderr.strip()}"


def trace(
    command: list[str], *, cwd: Path, environment: dict[str, str], log: Path
) -> tuple[subprocess.CompletedProcess[str], Trace]:
    """Run a command to its end and return what it printed and what it did."""
    log.mkdir()
    # One file for each thread: calls of two threads are never mixed on a line.
    strace = ["strace", "-ff", "--seccomp-bpf", "-qq", "-y", "-s", "4096"]
    strace += ["-e", "trace=%file,%network", "-o", str(log / "calls")]
    done = subprocess.run(
        [*strace, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    calls = list(_calls(log))
    return done, Trace(
        folder=cwd,
        written=tuple(call for call in calls if _is_write(call) and not _is_kernel(call, cwd)),
        network=tuple(call for call in calls if _NETWORK.match(call)),
        opened=frozenset(found["path"] for found in map(_OPENS.match, calls) if found),
    )


def _calls(log: Path) -> Iterator[str]:
    for path in sorted(log.iterdir()):
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()


def _paths(call: str, folder: Path) -> list[str]:
    """Return the absolute paths that a call in `folder` names."""
    found = _PATHS.finditer(call)
    return [os.path.normpath(folder / (match["folder"] or "") / match["path"]) for match in found]


def _is_write(call: str) -> bool:
    opened = _OPENS.match(call)
    if opened is not None:
        return bool(_WRITES.search(opened["flags"]))
    return bool(_CHANGES.match(call)) and not _FAILED.search(call)


def _is_kernel(call: str, folder: Path) -> bool:
    return all(path.startswith(_KERNEL) for path in _paths(call, folder))
