"""From a finished task of a run to one pack: round, measure, compare, write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgecl.training.run import PACK_DTYPE
from edgecl.training.versions import package_versions
from edgecl_export.errors import ExportError
from edgecl_export.parity import Parity, Reference, compare_task
from edgecl_runtime.engine import ActiveTask
from edgecl_runtime.engine.feeds import FeedsEngine
from edgecl_runtime.engine.onnxruntime import import_onnxruntime
from edgecl_runtime.errors import InputError, PackError
from edgecl_runtime.manifest import PackManifest, Probe, Provenance
from edgecl_runtime.pack import read_pack, write_pack
from edgecl_runtime.probe import probe_inputs

if TYPE_CHECKING:
    from edgecl.backbones.huggingface import Backbone
    from edgecl.training.run import Run, TaskRecord
    from edgecl_runtime.bundle import Bundle
    from edgecl_runtime.engine import Engine
    from edgecl_runtime.preprocess import Preprocessor
    from edgecl_runtime.tensors import TaskTensors

PROBE_SEEDS = (1, 2)
LEAST_PROBE_TOLERANCE = 1e-3  # float32; builds of onnxruntime differ by some of it


def pack_name(task: str, version: int) -> str:
    """Return the file name of a pack."""
    return f"{task}-{version}.ecpack"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a pack is compared with before it is written.

    Attributes:
        bundle: The bundle in the field; it is not changed.
        engine: Its graph, run by the code of the device.
        reference: The trained model.
        preprocessor: Of the backbone.
    """

    bundle: Bundle
    engine: Engine
    reference: Reference
    preprocessor: Preprocessor


def open_gate(backbone: Backbone, bundle: Bundle) -> Gate:
    """Return the gate between a backbone in torch and a bundle."""
    engine = FeedsEngine(
        bundle.graph_path, bundle.profile.providers, modality=bundle.modality, dimensions=bundle.dimensions
    )
    return Gate(bundle, engine, Reference(backbone), backbone.preprocessor)


def build_pack(run: Run, task: str, *, gate: Gate, path: Path, version: int) -> Parity:
    """Write the pack of a finished task if it passes the parity gate.

    Args:
        run: The run that trained it.
        task: Its name.
        gate: What it is compared with.
        path: File to write.
        version: Of the pack; 1 or more, a device prefers the highest.

    Returns:
        What the gate measured.

    Raises:
        ParityError: The gate is not passed; nothing is written.
        ExportError: A value does not fit in the pack's type.
        RunError: The run has no such finished task.
    """
    record, heldout = run.task(task), run.heldout(task)
    try:
        tensors = run.tensors(task).rounded(PACK_DTYPE)
    except InputError as error:
        raise ExportError(
            f"task {task!r}: {error}. Train it again with a lower training.learning_rate"
        ) from error
    parity = compare_task(
        gate.reference, gate.engine, gate.preprocessor, heldout.prepared, task=task, tensors=tensors
    )
    parity.require()
    manifest = PackManifest(
        task=task,
        version=version,
        fingerprint=gate.bundle.fingerprint,
        labels=record.labels,
        attention=gate.bundle.attention,
        probe=Probe(PROBE_SEEDS, {"fp32": max(LEAST_PROBE_TOLERANCE, 2 * parity.tolerance)}),
        provenance=_provenance(run, record),
        parent=record.parent,
        metrics={
            "accuracy": record.accuracy,
            "test_items": float(record.test_items),
            "parity_max_difference": parity.max_difference,
            "parity_items": float(parity.items),
        },
    )
    probe = probe_inputs(gate.bundle.preprocessing, PROBE_SEEDS)
    write_pack(path, manifest, tensors, gate.engine.run(probe, ActiveTask.from_tensors(tensors)))
    _read_back(path, gate.bundle, tensors)
    return parity


def _read_back(path: Path, bundle: Bundle, tensors: TaskTensors) -> None:
    try:
        stored = dict(read_pack(path, bundle=bundle).tensors.items())
        same = all(np.array_equal(stored[name], expected) for name, expected in tensors.items())
    except PackError as error:
        path.unlink()
        raise ExportError(f"{path}: cannot be read back ({error}); check the disk") from error
    if not same:
        path.unlink()
        raise ExportError(f"{path}: tensors read back differ from what was written; check the disk")


def _provenance(run: Run, record: TaskRecord) -> Provenance:
    config = msgspec.to_builtins(run.record.config)
    config["backbone"].pop("source")  # may be a path of this workstation; the fingerprint says more
    return Provenance(
        method=run.record.config.method.name,
        config=config,
        data_fingerprint=record.data_fingerprint,
        versions=record.versions
        | package_versions("onnx", "edgecl-runtime")
        | {"onnxruntime": import_onnxruntime().__version__},
    )
