r"""Measure what tasks cost on the device, beside the bare backbone and beside other ways to switch.

    python scripts/measure_runtime.py --vit VIT_FOLDER --minilm MINILM_FOLDER --work FOLDER \
        --out docs/results/runtime-cpu.json --page docs/performance.md

Every comparison is a ratio of CPU times with one thread, from interleaved repetitions
(`edgecl_runtime.bench.ratios`). `--only PART` measures parts again and leaves the rest of the file as it is; the
exported graphs are kept in `--work`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

from edgecl_runtime import Runtime, read_bundle, read_pack
from edgecl_runtime.active import ActiveTasks
from edgecl_runtime.bench.device import (
    ONE_TASK,
    PREFIX_LENGTH,
    RANK,
    SWITCH,
    TASKS,
    measure_calls,
    measure_cold_start,
    measure_load,
    measure_rows,
    measure_switch,
)
from edgecl_runtime.bench.inputs import make_items
from edgecl_runtime.bench.machine import describe_machine, package_versions, resident_bytes
from edgecl_runtime.bench.made import write_packs
from edgecl_runtime.bench.ratios import Case, Comparison, compare
from edgecl_runtime.counters import Stage
from edgecl_runtime.engine.backends import open_engine
from edgecl_runtime.engine.onnxruntime import FEATURES, open_session
from edgecl_runtime.runtime import ACTIVE_BYTES
from scripts.pages import fill_places
from scripts.runtime_graphs import Bench, prepare
from scripts.runtime_peers import CPU, PEERS, reload_milliseconds
from scripts.runtime_tables import BARE, IMPORTS, tables

LARGE_RANK = {"vit": 156, "minilm": 156}
SIZES = ("edgecl_runtime", "safetensors")
OPEN_TASKS = 1000
SWITCHES = 100_000
CYCLES = 1000
LEAK_BUNDLE = Path(__file__).resolve().parents[1] / "tests" / "data" / "bundles" / "image"


def calls(bench: Bench, rows: int) -> dict[str, Any]:
    """Return calls without a task, with one, with another at every call, and of the bare graphs."""
    engine, bundle, inputs = open_engine(bench.bundle, threads=1), bench.bundle, bench.inputs(rows)
    bare = {name: open_session(bench.bare(name), CPU, threads=1) for name in BARE}
    others: dict[str, Case] = {
        name: partial(session.run, [FEATURES], inputs) for name, session in bare.items()
    }
    packs = [read_pack(path, bundle=bundle) for path in bench.packs]
    active = ActiveTasks(engine, bundle.dimensions, budget_bytes=ACTIVE_BYTES)
    found = measure_calls(engine, active, bundle, packs, rows=rows, limit_s=bench.limit_s, others=others)
    return {**shown(found), "switch_us": round(measure_switch(active, packs), 3)}


def rows_of_tasks(bench: Bench) -> dict[str, Any]:
    """Return eight rows of eight tasks beside eight rows of one."""
    packs = [read_pack(path, bundle=bench.bundle) for path in bench.packs]
    return shown(measure_rows(bench.bundle, packs, threads=1, limit_s=bench.limit_s))


def load(bench: Bench) -> dict[str, Any]:
    """Return what the verified load of a pack of 1.5 MB costs, and a cold start with one pack."""
    bundle = bench.bundle
    engine = open_engine(bundle, threads=1)
    with TemporaryDirectory() as folder:
        rank = LARGE_RANK[bench.folder.name]
        (path,) = write_packs(Path(folder), bundle, 1, prefix_length=PREFIX_LENGTH, rank=rank)
        took = measure_load(engine, bundle, path)
        start = measure_cold_start(bundle.path, read_pack(path))
    return {"pack": {name: round(value, 3) for name, value in took.items()}, "cold_start": start}


def peers(bench: Bench) -> dict[str, Any]:
    """Return a switch at every call by other means, on the same graph and task sizes, beside ours."""
    engine, bundle, inputs = open_engine(bench.bundle, threads=1), bench.bundle, bench.inputs(1)
    packs = [read_pack(path, bundle=bundle) for path in bench.packs]
    active = ActiveTasks(engine, bundle.dimensions, budget_bytes=ACTIVE_BYTES)
    turn = itertools.cycle(packs)
    cases: dict[str, Case] = {
        ONE_TASK: lambda: active.task(packs[0]).placed.run(inputs),
        SWITCH: lambda: active.task(next(turn)).placed.run(inputs),
    }
    for pack in packs:
        active.task(pack)
    pairs, facts = [(SWITCH, ONE_TASK)], {}
    with TemporaryDirectory() as folder:
        for name, make in PEERS.items():
            before = resident_bytes()
            peer = make(bench, inputs, Path(folder))
            cases |= {f"{name}, one task": peer.one, f"{name}, switch": peer.switch}
            pairs += [(f"{name}, switch", f"{name}, one task"), (f"{name}, switch", SWITCH)]
            facts[name] = {
                "tasks": peer.tasks,
                "resident_bytes": resident_bytes() - before,
                "switch_us": None if peer.select is None else round(microseconds(peer.select), 3),
            }
        found = shown(compare(cases, pairs, limit_s=bench.limit_s))
        found["reload_ms"] = round(reload_milliseconds(Path(folder)), 1)
    return {**found, "switch_us": round(measure_switch(active, packs), 3), "peers": facts}


def microseconds(case: Case, *, times: int = 50) -> float:
    """Return the CPU microseconds of a short case."""
    started = time.process_time()
    for _ in range(times):
        case()
    return 1e6 * (time.process_time() - started) / times


def memory(bench: Bench) -> dict[str, Any]:
    """Return the resident bytes of a process before and after a thousand tasks are opened and used."""
    with TemporaryDirectory() as folder:
        write_packs(Path(folder), bench.bundle, OPEN_TASKS, prefix_length=PREFIX_LENGTH, rank=RANK)
        return in_process(open_many, bench.folder / "bundle", Path(folder))


def open_many(bundle: Path, packs: Path) -> dict[str, Any]:
    """Open every pack of a folder and use a tenth of them; return what is resident."""
    runtime = Runtime.open(bundle, [], threads=1)
    runtime.warm_up()
    before = resident_bytes()
    for path in sorted(packs.iterdir()):
        runtime.add(path)
    opened = resident_bytes()
    runtime.warm_up(task for task in runtime.tasks if task.endswith("0"))
    status = runtime.status()
    return {
        "tasks": status.tasks,
        "pack_bytes": status.mapped_bytes,
        "active_bytes": status.active_bytes,
        "active_budget_bytes": status.active_budget_bytes,
        "resident_before": before,
        "resident_opened": opened,
        "resident_used": resident_bytes(),
    }


def leaks() -> dict[str, Any]:
    """Return the resident bytes early and late in many switches, and in many additions and removals."""
    return in_process(switch_and_cycle)


def switch_and_cycle() -> dict[str, Any]:
    """Switch at every call, then add and remove a pack again and again."""
    with TemporaryDirectory() as folder:
        bundle = read_bundle(LEAK_BUNDLE)
        paths = write_packs(Path(folder), bundle, TASKS, prefix_length=PREFIX_LENGTH, rank=RANK)
        runtime = Runtime.open(LEAK_BUNDLE, paths, threads=1)
        items, turn = make_items(bundle.preprocessing, 1), itertools.cycle(runtime.tasks)
        switches = []
        for _ in range(10):
            for _ in range(SWITCHES // 10):
                runtime.predict(items, task=next(turn))
            switches.append(resident_bytes())
        cycles = []
        for _ in range(10):
            for _ in range(CYCLES // 10):
                runtime.remove("made-0")
                runtime.add(paths[0])
                runtime.predict(items, task="made-0")
            cycles.append(resident_bytes())
    return {
        "switches": SWITCHES,
        "resident_by_tenth_of_switches": switches,
        "cycles": CYCLES,
        "resident_by_tenth_of_cycles": cycles,
    }


def start(limit_s: float) -> dict[str, Any]:
    """Return what `import edgecl_runtime` costs beside `import numpy`, both compiled as an installation is."""
    with TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def child(code: str) -> None:
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)

        cases: dict[str, Case] = {code: partial(child, code) for code in IMPORTS}
        found = compare(cases, [IMPORTS], limit_s=limit_s, clock=children_seconds)
    stage = Stage()
    return {**shown(found), "counter_us": round(microseconds(lambda: stage.add(0.0), times=100_000), 3)}


def children_seconds() -> float:
    """Return the CPU time of the processes that this one has started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sizes() -> dict[str, int]:
    """Return the installed bytes of the runtime, and of safetensors, which comes with it."""
    import safetensors

    import edgecl_runtime

    folders = [Path(str(module.__file__)).parent for module in (edgecl_runtime, safetensors)]
    return {
        name: sum(path.stat().st_size for path in folder.rglob("*") if _is_installed(path))
        for name, folder in zip(SIZES, folders, strict=True)
    }


def _is_installed(path: Path) -> bool:
    """Say whether a file comes with the wheel; compiled Python files depend on who ran what."""
    return path.is_file() and path.suffix != ".pyc"


def in_process(function: Callable[..., dict[str, Any]], *arguments: Path) -> dict[str, Any]:
    """Return what a function returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def shown(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for the result file."""
    return {
        "ratios": {name: ratio.to_json() for name, ratio in comparison.ratios.items()},
        "milliseconds": {name: round(value, 3) for name, value in comparison.milliseconds.items()},
    }


def parts(benches: Mapping[str, Bench], limit_s: float) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what is measured, by the name of its part."""
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for name, bench in benches.items():
        found |= {
            f"{name}/calls-1": partial(calls, bench, 1),
            f"{name}/calls-8": partial(calls, bench, 8),
            f"{name}/rows": partial(rows_of_tasks, bench),
            f"{name}/load": partial(load, bench),
            f"{name}/peers": partial(peers, bench),
        }
    found |= {"memory": partial(memory, benches["vit"])} if "vit" in benches else {}
    return found | {"leaks": leaks, "start": partial(start, limit_s), "sizes": sizes}


def main() -> int:
    """Measure and write the result file, part by part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vit", type=Path, help="Weights of ViT-Tiny/16; run at 224 px.")
    parser.add_argument("--minilm", type=Path, help="Weights of all-MiniLM-L6-v2; run at 128 tokens.")
    parser.add_argument("--work", type=Path, required=True, help="Folder for exported graphs, used again.")
    parser.add_argument("--limit", type=float, default=240, help="CPU seconds of a comparison.")
    parser.add_argument("--only", nargs="+", metavar="PART", help="Such as vit/calls-1, or memory.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="Page to put the tables into: docs/performance.md.")
    options = parser.parse_args()
    benches = {
        name: Bench(options.work / name, source, size, options.limit)
        for name, source, size in (("vit", options.vit, 224), ("minilm", options.minilm, None))
        if source is not None
    }
    for bench in benches.values():
        prepare(bench)
    result = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {"parts": {}}
    for name, measure in parts(benches, options.limit).items():
        if options.only and name not in options.only:
            continue
        print(name, file=sys.stderr, flush=True)
        result["machine"] = describe_machine()
        result["versions"] = package_versions(
            "edgecl-runtime", "onnxruntime", "numpy", "torch", "transformers", "peft"
        )
        result["parts"][name] = {"limit_s": options.limit, **measure()}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for table in tables(result["parts"]).values():
        print(f"{table}\n")
    if options.page is not None:
        fill_places(options.page, tables(result["parts"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
