"""A cold start, measured in a process of its own: `python -m edgecl_runtime.bench.cold BUNDLE TASK PACK...`.

Prints one JSON object: for each step how many CPU milliseconds the process had used when it was done, and how many
bytes were resident.
"""

from __future__ import annotations

import json
import sys
import time

from edgecl_runtime.bench.inputs import make_items
from edgecl_runtime.bench.machine import resident_bytes
from edgecl_runtime.runtime import Runtime

__all__ = ["main"]


def main(bundle: str, task: str, *packs: str) -> None:
    """Open, predict twice, and print what each step took."""
    steps = {"import": _now()}
    runtime = Runtime.open(bundle, [], threads=1)
    steps["open"] = _now()
    for path in packs:
        runtime.add(path)
    steps["packs"] = _now()
    items = make_items(runtime.bundle.preprocessing, 1)
    for name in ("first", "second"):
        runtime.predict(items, task=task)
        steps[name] = _now()
    print(json.dumps(steps))


def _now() -> dict[str, float]:
    return {"ms": 1e3 * time.process_time(), "resident_bytes": resident_bytes()}


if __name__ == "__main__":
    main(*sys.argv[1:])
