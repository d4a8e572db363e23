"""Other ways to switch between tasks, which scripts/measure_runtime.py sets beside ours."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecl_runtime import read_pack
from edgecl_runtime.bench.device import RANK, TASKS
from edgecl_runtime.bench.ratios import Case
from edgecl_runtime.engine.onnxruntime import FEATURES, import_onnxruntime, open_session
from scripts.runtime_graphs import Bench

if TYPE_CHECKING:
    from edgecl_runtime.engine import ModelInputs

CPU = ("CPUExecutionProvider",)


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
