"""Result files: figures, and where they were taken."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PLACES = ("--data", "--backbone", "--runs", "--out")
"""Options whose values are places of one machine."""


def command_line(words: Sequence[str] | None = None) -> str:
    """Return the command line that was asked for, without the places of this machine.

    Args:
        words: The script and its options, followed by their values or joined to them by `=`; those of this process
            if absent.
    """
    script, *given = sys.argv if words is None else words
    options = [part for word in given for part in _apart(word)]
    shown = ["python", f"scripts/{Path(script).name}"]
    for before, word in zip([script, *options], options, strict=False):
        if before == "--out":
            shown.append(Path(word).name)
        else:
            shown.append(before.removeprefix("--").upper() if before in PLACES else word)
    return shlex.join(shown)


def _apart(word: str) -> list[str]:
    """Return `--data=PLACE` as an option and its value; any other word as it is."""
    name, equals, value = word.partition("=")
    return [name, value] if equals and name in PLACES else [word]


def surroundings(*packages: str) -> dict[str, Any]:
    """Return the machine and the versions of packages that figures were taken with."""
    return {
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in packages},
    }


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result file and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
