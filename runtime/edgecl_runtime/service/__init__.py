"""The systemd units that keep a device up to date, filled in for this machine."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

__all__ = ["UNITS", "service_units"]

UNITS: Final = ("edgecl-update.service", "edgecl-update.timer")


def service_units(store: Path, *, python: str = sys.executable) -> dict[str, str]:
    """Return the text of each unit by its file name.

    Args:
        store: The folder of the device store.
        python: The interpreter in which edgecl-runtime is installed.
    """
    folder = files("edgecl_runtime.service")
    values = {"@PYTHON@": _quoted(python), "@STORE@": _quoted(str(store.absolute()))}
    return {name: _filled((folder / name).read_text(encoding="utf-8"), values) for name in UNITS}


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _quoted(path: str) -> str:
    """Return a path as systemd reads it back: % begins a specifier, and quotes keep spaces."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
