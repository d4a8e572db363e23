"""Result files: figures, and where they were taken."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any


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
