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

PLACES = ("--data", "--backbone", "--runs")
"""Options whose values are places of one machine."""


def command_line(words: Sequence[str] | None = None) -> str:
    """Return the command line that was asked for, without the places of this machine.

    Args:
        words: The script and its options, each followed by its values; those of this process if absent.
    """
    script, *options = sys.argv if words is None else words
    shown = ["python", f"scripts/{Path(script).name}"]
    for before, word in zip([script, *options], options, strict=False):
        if before in PLACES:
            shown.append(before.removeprefix("--").upper())
        else:
            shown.append(Path(word).name if before == "--out" else word)
    return shlex.join(shown)


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
