"""The figures of a stored benchmark, to set beside those of another run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecl_runtime import fields as read
from edgecl_runtime.errors import InputError
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["figures", "read_figures"]

FORMAT_VERSION = 1


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a report as `BenchReport.to_json` gives it, by name, with their units.

    Raises:
        FieldError: the report lacks a key, or has a value of another type.
    """
    found: dict[str, float] = {}
    for name, ratio in _section(report, "ratios").items():
        found[name] = _number(read.mapping(ratio, f"ratios.{name}"), "median", f"ratios.{name}")
    for name in _section(report, "milliseconds"):
        found[f"{name}, ms"] = _number(report["milliseconds"], name, "milliseconds")
    found["switch, us"] = _number(report, "switch_us", "report")
    for name in _section(report, "pack_load"):
        label = f"pack {name.rpartition('_')[0]}, {name.rpartition('_')[2]}"
        found[label] = _number(report["pack_load"], name, "pack_load")
    for step, values in _section(report, "cold_start").items():
        for key, unit in (("ms", "ms"), ("resident_bytes", "resident bytes")):
            found[f"cold start to {step}, {unit}"] = _number(values, key, f"cold_start.{step}")
    return found


def read_figures(path: Path) -> dict[str, float]:
    """Return the figures of a stored report.

    Raises:
        InputError: the file is not what `edgecl-device bench --json` prints.
    """
    try:
        report = parse_object(path.read_bytes())
    except (OSError, StrictJsonError) as error:
        raise InputError(
            f"{path}: found no report ({error}), expected what edgecl-device bench --json prints"
        ) from error
    version = report.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}: found format_version {version}, expected {FORMAT_VERSION}. "
            "Measure again with: edgecl-device bench"
        )
    return figures(report)


def _section(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return read.mapping(report.get(key), key)


def _number(values: Mapping[str, Any], key: str, where: str) -> float:
    return read.number(values.get(key), f"{where}.{key}")
