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
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from pages import fill_places
from runtime_tables import BARE, IMPORTS, tables

from edgecl_runtime import Bundle, Runtime, read_bundle, read_pack
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
from edgecl_runtime.engine.onnxruntime import FEATURES, import_onnxruntime, open_session
from edgecl_runtime.preprocess import build_preprocessor
from edgecl_runtime.runtime import ACTIVE_BYTES

if TYPE_CHECKING:
    from edgecl_runtime.engine import ModelInputs

CPU = ("CPUExecutionProvider",)
LARGE_RANK = {"vit": 156, "minilm": 156}
SIZES = ("edgecl_runtime", "safetensors")
OPEN_TASKS = 1000
SWITCHES = 100_000
CYCLES = 1000
LEAK_BUNDLE = Path(__file__).resolve().parents[1] / "tests" / "data" / "bundles" / "image"


@dataclass(frozen=True, slots=True)
class Bench:
    """A backbone that was exported with and without task inputs.

    Attributes:
        folder: Holds `bundle`, the bare graphs, and `packs`.
        source: The folder of the weights.
        image_size: Of an image backbone.
        limit_s: CPU time of a comparison.
    """

    folder: Path
    source: Path
    image_size: int | None
    limit_s: float

    @property
    def bundle(self) -> Bundle:
        """The exported backbone."""
        return read_bundle(self.folder / "bundle")

    @property
    def packs(self) -> list[Path]:
        """Eight made packs of P 10 and R 16."""
        return sorted((self.folder / "packs").glob("*.ecpack"))

    def inputs(self, rows: int) -> ModelInputs:
        """Return graph inputs of the largest size."""
        spec = self.bundle.preprocessing
        preprocessor = build_preprocessor(spec, folder=self.folder / "bundle")
        return preprocessor.batch(preprocessor.prepare(make_items(spec, rows)))

    def bare(self, name: str) -> Path:
        """Return the graph without task inputs, exported from torch with this attention."""
        return self.folder / f"{name.partition(', ')[2]}.onnx"


def prepare(bench: Bench) -> None:
    """Export what is not there yet: the bundle, the backbone without task inputs, and packs."""
    if not (bench.folder / "bundle" / "bundle.json").is_file():
        export_bundle(bench)
    for name in BARE:
        if not bench.bare(name).is_file():
            export_bare(bench, name)
    if not bench.packs:
        (bench.folder / "packs").mkdir(exist_ok=True)
        write_packs(bench.folder / "packs", bench.bundle, TASKS, prefix_length=PREFIX_LENGTH, rank=RANK)


def export_bundle(bench: Bench) -> None:
    """Write the bundle of a backbone, without packs."""
    from edgecl.backbones.huggingface import load_backbone
    from edgecl_export.graph import export_graph
    from edgecl_runtime import write_bundle

    backbone, folder = load_backbone(str(bench.source), image_size=bench.image_size), bench.folder / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    export_graph(backbone, folder / "backbone.onnx")
    if backbone.tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(backbone.tokenizer)
    write_bundle(
        folder,
        fingerprint=backbone.fingerprint,
        backbone=bench.source.resolve().name,
        dimensions=backbone.spec.dimensions,
        attention=backbone.module.attention,
        pooling=backbone.spec.pooling,
        preprocessing=backbone.spec.preprocessing,
    )


def export_bare(bench: Bench, name: str) -> None:
    """Write the graph of the backbone as `transformers` has it: no task inputs, nothing of ours in it."""
    import torch
    from torch.export import Dim

    from edgecl.backbones.huggingface import load_backbone
    from edgecl_export.graph import OPSET

    backbone = load_backbone(str(bench.source), image_size=bench.image_size)
    backbone.module.model.set_attn_implementation(name.partition(", ")[2])
    examples = {name: torch.from_numpy(array) for name, array in bench.inputs(3).items()}
    batch, tokens = Dim("batch", min=1), Dim("tokens", min=1, max=512)
    axes = [{0: batch} if tensor.ndim > 2 else {0: batch, 1: tokens} for tensor in examples.values()]

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone.module

        def forward(self, *tensors: torch.Tensor) -> Any:
            return self.backbone(dict(zip(examples, tensors, strict=True)))

    program: Any = torch.onnx.export(
        Bare().eval(),
        tuple(examples.values()),
        dynamo=True,
        dynamic_shapes=(tuple(axes),),
        input_names=list(examples),
        output_names=[FEATURES],
        opset_version=OPSET,
        verbose=False,
    )
    program.save(str(bench.bare(name)))


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


@dataclass(frozen=True, slots=True)
class Peer:
    """Another way to switch.

    Attributes:
        tasks: How many it has.
        one: A call under the same task at every call.
        switch: A call under another task at every call.
        select: The switch alone; None where it is nothing but the choice of an object.
    """

    tasks: int
    one: Case
    switch: Case
    select: Case | None = None


def session_per_task(bench: Bench, inputs: ModelInputs, folder: Path) -> Peer:
    """Return a session per task, the tensors baked into its graph as constants."""
    sessions = [
        open_session(bake(bench, path, folder / f"{path.stem}.onnx"), CPU, threads=1) for path in bench.packs
    ]
    turn = itertools.cycle(sessions)
    return Peer(
        len(sessions),
        lambda: sessions[0].run([FEATURES], inputs),
        lambda: next(turn).run([FEATURES], inputs),
    )


def bake(bench: Bench, pack: Path, out: Path) -> Path:
    """Write the graph with the tensors of a task as constants."""
    import onnx

    model = onnx.load(bench.bundle.graph_path)
    tensors = read_pack(pack).tensors.graph_inputs()
    kept = [value for value in model.graph.input if value.name not in tensors]
    constants = [each for each in model.graph.initializer if each.name not in tensors]
    constants += [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    for field, values in ((model.graph.input, kept), (model.graph.initializer, constants)):
        del field[:]
        field.extend(values)
    onnx.save(model, out)
    return out


def reload_milliseconds(folder: Path) -> float:
    """Return the CPU milliseconds to open a session of a baked graph again, the median of five."""
    path, took = sorted(folder.glob("*.onnx"))[0], []
    for _ in range(5):
        started = time.process_time()
        open_session(path, CPU, threads=1)
        took.append(time.process_time() - started)
    return 1e3 * float(np.median(took))


def lora_adapters(bench: Bench, inputs: ModelInputs, folder: Path) -> Peer:
    """Return onnxruntime's own adapters on our graph."""
    library = import_onnxruntime()
    session: Any = open_session(bench.bundle.graph_path, CPU, threads=1)
    adapters, options = [], []
    for path in bench.packs:
        out = folder / f"{path.stem}.onnx_adapter"
        written = library.AdapterFormat()
        tensors = read_pack(path).tensors.graph_inputs()
        written.set_parameters(
            {name: library.OrtValue.ortvalue_from_numpy(array) for name, array in tensors.items()}
        )
        written.export_adapter(str(out))
        adapters.append(library.LoraAdapter())
        adapters[-1].Load(str(out))
        options.append(library.RunOptions())
        options[-1].add_active_adapter(adapters[-1])
    turn = itertools.cycle(options)
    return Peer(
        len(adapters),
        lambda: (session.run([FEATURES], dict(inputs), options[0]), adapters),
        lambda: session.run([FEATURES], dict(inputs), next(turn)),
    )


def peft_adapters(bench: Bench, inputs: ModelInputs, folder: Path) -> Peer:
    """Return LoRA of the same rank on queries and values in torch, switched by `peft`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    torch.set_num_threads(1)
    size = {} if bench.image_size is None else {"image_size": bench.image_size}
    model = AutoModel.from_pretrained(bench.source, add_pooling_layer=False, **size).eval()
    targets = ["query", "value"] if hasattr(model, "encoder") else ["q_proj", "v_proj"]
    config = LoraConfig(r=RANK, target_modules=targets)
    tuned = get_peft_model(model, config, adapter_name="0")
    for number in range(1, TASKS):
        tuned.add_adapter(str(number), config)
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    turn = itertools.cycle(map(str, range(TASKS)))

    @torch.inference_mode()
    def call() -> None:
        tuned(**tensors)

    def switch() -> None:
        tuned.set_adapter(next(turn))
        call()

    return Peer(TASKS, call, switch, lambda: tuned.set_adapter(next(turn)))


PEERS: dict[str, Callable[[Bench, ModelInputs, Path], Peer]] = {
    "a session per task": session_per_task,
    "onnxruntime LoraAdapter": lora_adapters,
    "torch + peft.set_adapter": peft_adapters,
}


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
