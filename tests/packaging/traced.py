"""Watch what a process does to files and to the network, with strace."""

from __future__ import annotations

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
_OPENS = re.compile(r'^open\w*\((?:[^"]*, )?"(?P<path>[^"]*)", (?P<flags>.*)\) = \d')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")
_FAILED = re.compile(r"\) = -1 ")
_NETWORK = re.compile(
    r"^(?:socket|connect|bind|listen|accept|send|recv|get(?:sock|peer)name|\w+sockopt)\w*\("
)
_TERMINALS = ("/dev/null", "/dev/tty", "/dev/pts/")


@dataclass(frozen=True, slots=True)
class Trace:
    """What one command and its children did.

    Attributes:
        written: The calls that opened a file for writing or changed one, terminals left out.
        network: The calls that made or used a socket, of any family.
        opened: The paths of all files that were opened.
    """

    written: tuple[str, ...]
    network: tuple[str, ...]
    opened: frozenset[str]


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
    strace = ["strace", "-ff", "-qq", "-s", "4096", "-e", "trace=%file,%network", "-o", str(log / "calls")]
    done = subprocess.run(
        [*strace, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    calls = list(_calls(log))
    return done, Trace(
        written=tuple(call for call in calls if _is_write(call)),
        network=tuple(call for call in calls if _NETWORK.match(call)),
        opened=frozenset(found["path"] for found in map(_OPENS.match, calls) if found),
    )


def _calls(log: Path) -> Iterator[str]:
    for path in sorted(log.iterdir()):
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()


def _is_write(call: str) -> bool:
    if _CHANGES.match(call):
        return not _FAILED.search(call)
    opened = _OPENS.match(call)
    if opened is None or not _WRITES.search(opened["flags"]):
        return False
    return not opened["path"].startswith(_TERMINALS)
