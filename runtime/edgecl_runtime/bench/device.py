"""The benchmark of a device: one bundle, its packs, and what switching between them costs."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from edgecl_runtime.active import ActiveTasks
from edgecl_runtime.bench.inputs import make_items
from edgecl_runtime.bench.machine import describe_machine, package_versions
from edgecl_runtime.bench.made import write_packs
from edgecl_runtime.bench.ratios import Case, Comparison, compare
from edgecl_runtime.bundle import Bundle
from edgecl_runtime.engine import Engine, PlacedTask
from edgecl_runtime.engine.backends import open_engine
from edgecl_runtime.errors import EdgeclRuntimeError
from edgecl_runtime.pack import TaskPack, read_pack
from edgecl_runtime.preprocess import build_preprocessor
from edgecl_runtime.runtime import ACTIVE_BYTES, Runtime

__all__ = ["BenchReport", "run_bench"]

TASKS: Final = 8
PREFIX_LENGTH: Final = 10
RANK: Final = 16
NO_TASK, ONE_TASK, SWITCH, MIXED, ONE_OF_ROWS = "no task", "one task", "switch", "8 tasks", "1 task"
_LOADS = 31
_SWITCHES = 2000


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What was measured; times are CPU times of the process and all its threads.

    Attributes:
        machine: Processor, cores, system, Python.
        versions: Of the packages that matter.
        profile: The bundle's.
        settings: Backbone, backend, rows, threads, and the tasks that were used.
        calls: One call of `rows` rows without a task, with one, and with another at every call.
        rows: Eight rows of eight tasks, and of one.
        switch_us: Microseconds to find a resident task.
        pack_load: Bytes of a pack, and milliseconds to verify it and make it active.
        cold_start: CPU milliseconds since the process began, and resident bytes, after each step.
    """

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    profile: Mapping[str, Any]
    settings: Mapping[str, Any]
    calls: Comparison
    rows: Comparison
    switch_us: float
    pack_load: Mapping[str, float]
    cold_start: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Return what `edgecl-device bench --json` prints and `--compare` reads."""
        comparisons = (self.calls, self.rows)
        return {
            "format_version": 1,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "profile": dict(self.profile),
            "settings": dict(self.settings),
            "ratios": {name: ratio.to_json() for each in comparisons for name, ratio in each.ratios.items()},
            "milliseconds": {
                name: round(value, 4) for each in comparisons for name, value in each.milliseconds.items()
            },
            "switch_us": round(self.switch_us, 3),
            "pack_load": {name: round(value, 3) for name, value in self.pack_load.items()},
            "cold_start": {
                step: {name: round(value, 1) for name, value in values.items()}
                for step, values in self.cold_start.items()
            },
        }


def run_bench(
    bundle: Bundle,
    packs: Sequence[TaskPack],
    *,
    rows: int = 1,
    threads: int | None = None,
    limit_s: float = 60,
) -> BenchReport:
    """Return what tasks cost on this machine.

    Args:
        bundle: The backbone.
        packs: Tasks to measure with; up to eight are made where there are fewer.
        rows: Of a call.
        threads: Of a call; None takes the profile's number.
        limit_s: CPU time after which the ratios of calls, and those of rows, are left as exact as they are.

    Raises:
        BundleError: the backbone cannot be used.
        MissingExtraError: onnxruntime, or for texts tokenizers, is not installed.
    """
    engine = open_engine(bundle, threads=threads)
    with TemporaryDirectory() as folder:
        made = write_packs(
            Path(folder), bundle, max(0, TASKS - len(packs)), prefix_length=PREFIX_LENGTH, rank=RANK
        )
        used = [*packs[:TASKS], *(read_pack(path, bundle=bundle) for path in made)]
        settings = {
            "backbone": bundle.backbone,
            "backend": engine.backend,
            "rows": rows,
            "threads": threads or bundle.profile.threads,
            "tasks": [[pack.tensors.prefix_length, pack.tensors.rank] for pack in used],
        }
        active = ActiveTasks(engine, bundle.dimensions, budget_bytes=ACTIVE_BYTES)
        return BenchReport(
            machine=describe_machine(),
            versions=package_versions("edgecl-runtime", "onnxruntime", "onnxruntime-gpu", "numpy"),
            profile=bundle.profile.to_json(),
            settings=settings,
            calls=measure_calls(engine, active, bundle, used, rows=rows, limit_s=limit_s),
            rows=measure_rows(bundle, used, threads=threads, limit_s=limit_s),
            switch_us=measure_switch(active, used),
            pack_load=measure_load(engine, bundle, used[0].path),
            cold_start=measure_cold_start(bundle.path, used[0]),
        )


def measure_calls(
    engine: Engine,
    active: ActiveTasks,
    bundle: Bundle,
    packs: Sequence[TaskPack],
    *,
    rows: int,
    limit_s: float,
    others: Mapping[str, Case] | None = None,
) -> Comparison:
    """Return what a call costs without a task, with one, and with another at every call.

    Args:
        engine: Runs the graph.
        active: Its tasks.
        bundle: The backbone.
        packs: The tasks to go through.
        rows: Of a call.
        limit_s: See `compare`.
        others: Calls of other ways to do it; the calls above are also divided by each of them.
    """
    preprocessor = build_preprocessor(bundle.preprocessing, folder=bundle.path)
    inputs = preprocessor.batch(preprocessor.prepare(make_items(bundle.preprocessing, rows)))
    turn = itertools.cycle(packs)

    def run(placed: PlacedTask) -> object:
        return placed.run(inputs)

    cases: dict[str, Case] = {
        NO_TASK: lambda: run(active.bare),
        ONE_TASK: lambda: run(active.task(packs[0]).placed),
        SWITCH: lambda: run(active.task(next(turn)).placed),
    }
    for pack in packs:
        active.task(pack)
    pairs = [(ONE_TASK, NO_TASK), (SWITCH, ONE_TASK)]
    pairs += [(one, other) for other in others or {} for one in (NO_TASK, ONE_TASK)]
    return compare({**cases, **(others or {})}, pairs, limit_s=limit_s)


def measure_rows(
    bundle: Bundle, packs: Sequence[TaskPack], *, threads: int | None, limit_s: float
) -> Comparison:
    """Return what eight rows of eight tasks cost, beside eight rows of one; items are prepared in both."""
    runtime = Runtime.open(bundle.path, [pack.path for pack in packs], threads=threads)
    items = make_items(bundle.preprocessing, TASKS)
    tasks = [pack.manifest.task for pack in packs]
    cases: dict[str, Case] = {
        MIXED: lambda: runtime.predict(items, tasks=tasks),
        ONE_OF_ROWS: lambda: runtime.predict(items, tasks=tasks[:1] * TASKS),
    }
    return compare(cases, [(MIXED, ONE_OF_ROWS)], limit_s=limit_s)


def measure_switch(active: ActiveTasks, packs: Sequence[TaskPack]) -> float:
    """Return the microseconds that finding a resident task takes: the median of ten goes."""
    goes = []
    for _ in range(10):
        turn = itertools.cycle(packs)
        started = time.process_time()
        for _ in range(_SWITCHES):
            active.task(next(turn))
        goes.append(time.process_time() - started)
    return 1e6 * float(np.median(goes)) / _SWITCHES


def measure_load(engine: Engine, bundle: Bundle, path: Path) -> dict[str, float]:
    """Return the bytes of a pack, and the CPU milliseconds to verify it and to make it active."""
    verify, activate = [], []
    for _ in range(_LOADS):
        started = time.process_time()
        pack = read_pack(path, bundle=bundle)
        read = time.process_time()
        ActiveTasks(engine, bundle.dimensions, budget_bytes=ACTIVE_BYTES).task(pack)
        verify.append(read - started)
        activate.append(time.process_time() - read)
    return {
        "size_bytes": path.stat().st_size,
        "verify_ms": 1e3 * float(np.median(verify)),
        "activate_ms": 1e3 * float(np.median(activate)),
    }


def measure_cold_start(bundle: Path, pack: TaskPack) -> dict[str, dict[str, float]]:
    """Return CPU milliseconds and resident bytes after each step of a fresh process.

    Raises:
        EdgeclRuntimeError: the process failed.
    """
    command = [sys.executable, "-m", "edgecl_runtime.bench.cold", bundle, pack.manifest.task, pack.path]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EdgeclRuntimeError(f"the cold start failed: {done.stderr.strip()}")
    steps: dict[str, dict[str, float]] = json.loads(done.stdout)
    return steps
