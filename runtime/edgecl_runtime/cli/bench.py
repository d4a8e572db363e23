"""`edgecl-device bench`: what tasks cost on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

from edgecl_runtime.bundle import read_bundle
from edgecl_runtime.pack_folder import read_pack_folder

__all__ = ["add_bench_options", "bench"]


def add_bench_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench` beside the bundle and its packs."""
    parser.add_argument("--rows", type=_positive, default=1, metavar="N", help="rows of a call (default: 1)")
    parser.add_argument("--threads", type=_positive, metavar="N", help="threads of a call")
    parser.add_argument(
        "--limit",
        type=_positive,
        default=60,
        metavar="SECONDS",
        help="CPU time for each of the two comparisons (default: 60)",
    )
    parser.add_argument(
        "--compare", metavar="FILE", help="a stored report to set beside this one, made with --json"
    )


def bench(arguments: argparse.Namespace) -> int:
    """Print what a call costs without a task, with one, and with another at every call."""
    # Imported here: the other commands need nothing of it.
    from pathlib import Path

    from edgecl_runtime.bench import run_bench
    from edgecl_runtime.bench.figures import figures, read_figures

    stored = None if arguments.compare is None else read_figures(Path(arguments.compare))
    bundle = read_bundle(arguments.bundle)
    packs = read_pack_folder(bundle, arguments.packs).packs
    report = run_bench(
        bundle,
        [packs[task] for task in sorted(packs)],
        rows=arguments.rows,
        threads=arguments.threads,
        limit_s=arguments.limit,
    ).to_json()
    found = figures(report)
    if arguments.json:
        print(json.dumps(report if stored is None else {**report, "compared": _compared(found, stored)}))
    else:
        sys.stdout.write(_page(found, stored or {}))
    return 0


def _compared(found: Mapping[str, float], stored: Mapping[str, float]) -> dict[str, dict[str, float]]:
    return {name: {"now": value, "stored": stored[name]} for name, value in found.items() if name in stored}


def _page(found: Mapping[str, float], stored: Mapping[str, float]) -> str:
    """Return a line per figure, with the stored one and the change beside it where there is one."""
    width = max(len(name) for name in found)
    lines = []
    for name, value in found.items():
        line = f"{name:<{width}}  {value:>12.4g}"
        if stored.get(name):
            line += f"  {stored[name]:>12.4g}  {100 * (value / stored[name] - 1):+.1f} %"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value
