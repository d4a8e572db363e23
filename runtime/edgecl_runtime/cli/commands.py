"""What the commands do: one call of the library each, then print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from edgecl_runtime.bundle import read_bundle
from edgecl_runtime.errors import PackError, ProbeMismatchError
from edgecl_runtime.pack_folder import read_pack_folder
from edgecl_runtime.prediction import Prediction
from edgecl_runtime.runtime import Runtime
from edgecl_runtime.store_folder import committed_files, is_store

__all__ = ["list_packs", "print_error", "print_json", "print_row", "run", "verify"]


def run(arguments: argparse.Namespace) -> int:
    """Print input, label and probability of each input."""
    runtime = Runtime.open(arguments.bundle, arguments.packs, skip_bad_packs=True)
    code = _report(runtime.skipped_packs)
    if code and arguments.task not in runtime.tasks:
        return code
    inputs = _inputs(arguments.inputs)
    prediction = runtime.predict(inputs, task=arguments.task)
    if arguments.json:
        print_json({"task": prediction.task, "results": _results(inputs, prediction)})
        return 0
    for item, label, row in zip(inputs, prediction.labels, prediction.probabilities, strict=True):
        print_row((item, label, f"{row.max():.4f}"))
    return 0


def list_packs(arguments: argparse.Namespace) -> int:
    """Print task, version, number of classes, size and file of each pack that would be used."""
    bundle, places = arguments.bundle, arguments.packs
    if is_store(bundle):
        bundle, places = committed_files(bundle)
    folder = read_pack_folder(read_bundle(bundle), places, skip_bad_packs=True)
    packs = [folder.packs[task] for task in sorted(folder.packs)]
    if arguments.json:
        rows = [
            {
                "task": pack.manifest.task,
                "version": pack.manifest.version,
                "labels": list(pack.manifest.labels),
                "size_bytes": pack.size_bytes,
                "path": str(pack.path),
                "sha256": pack.manifest.header_sha256,
                "metrics": dict(pack.manifest.metrics),
            }
            for pack in packs
        ]
        print_json({"packs": rows, "errors": [str(error) for error in folder.skipped]})
    else:
        for pack in packs:
            size = f"{pack.size_bytes / 1000:.1f} kB"
            classes = f"{len(pack.manifest.labels)} classes"
            print_row((pack.manifest.task, f"version {pack.manifest.version}", classes, size, str(pack.path)))
    return _report(folder.skipped)


def verify(arguments: argparse.Namespace) -> int:
    """Print the largest difference of each pack's self-test."""
    runtime = Runtime.open(arguments.bundle, arguments.packs, skip_bad_packs=True)
    errors = list(runtime.skipped_packs)
    rows: list[dict[str, Any]] = []
    for task in arguments.task or runtime.tasks:
        if errors and task not in runtime.tasks:  # its pack may be one of those that cannot be used
            rows.append({"task": task, "ok": False, "difference": None})
            continue
        try:
            rows.append({"task": task, "ok": True, "difference": runtime.verify(task)})
        except ProbeMismatchError as error:
            rows.append({"task": task, "ok": False, "difference": None})
            errors.append(error)
    if arguments.json:
        print_json({"tasks": rows, "errors": [str(error) for error in errors]})
    else:
        for row in rows:
            print_row((row["task"], f"ok, differs by {row['difference']:.3g}" if row["ok"] else "failed"))
    return _report(errors)


def print_error(message: str) -> None:
    """Print one line of error to stderr."""
    _print_line(f"edgecl-device: {message}", sys.stderr)


def _inputs(arguments: Sequence[str]) -> list[str]:
    inputs: list[str] = []
    for argument in arguments:
        inputs.extend(line.rstrip("\r\n") for line in sys.stdin) if argument == "-" else inputs.append(
            argument
        )
    return inputs


def _results(inputs: Sequence[str], prediction: Prediction) -> list[dict[str, Any]]:
    return [
        {
            "input": item,
            "label": label,
            "probability": float(row.max()),
            "probabilities": dict(zip(prediction.classes, row.tolist(), strict=True)),
        }
        for item, label, row in zip(inputs, prediction.labels, prediction.probabilities, strict=True)
    ]


def _report(errors: Sequence[PackError]) -> int:
    for error in errors:
        print_error(str(error))
    return max((error.exit_code for error in errors), default=0)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout."""
    print(json.dumps(value))


def print_row(cells: Sequence[str]) -> None:
    """Print the cells of one line to stdout."""
    _print_line("\t".join(" ".join(cell.split()) for cell in cells), sys.stdout)


def _print_line(line: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream)
