"""From a finished task of a run to one pack: round, measure, compare, write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgecl.training.run import PACK_DTYPE
from edgecl.training.versions import package_versions
from edgecl_export.adapters import ADAPTER_SUFFIX, write_adapter
from edgecl_export.errors import ExportError
from edgecl_export.loss import Loss, Shipping, compare_precision
from edgecl_export.parity import Parity, Reference, compare_task
from edgecl_export.plan import FULL_PRECISION, PackPlan
from edgecl_runtime.engine.backends import open_engine
from edgecl_runtime.engine.feeds import FeedsEngine
from edgecl_runtime.engine.onnxruntime import check_graph, import_onnxruntime, open_session
from edgecl_runtime.errors import InputError, PackError
from edgecl_runtime.manifest import PackManifest, Probe, Provenance
from edgecl_runtime.pack import TaskPack, read_pack, write_pack
from edgecl_runtime.probe import probe_inputs

if TYPE_CHECKING:
    from edgecl.training.heldout import HeldOut
    from edgecl.training.records import TaskRecord
    from edgecl.training.run import Run
    from edgecl_runtime.bundle import Bundle
    from edgecl_runtime.engine import Engine
    from edgecl_runtime.manifest import Dimensions
    from edgecl_runtime.tensors import TaskTensors

PROBE_SEEDS = (1, 2)
LEAST_PROBE_TOLERANCE = 1e-3  # float32; builds of onnxruntime differ by some of it
WORKSTATION = ("CPUExecutionProvider",)  # the gate runs here, whatever the device will run on


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
        plan: How packs are stored.
    """

    bundle: Bundle
    engine: Engine
    reference: Reference
    plan: PackPlan


@dataclass(frozen=True, slots=True)
class Passed:
    """What the gate measured of a task that passed it.

    Attributes:
        parity: Between graph and torch; None where the graph is of lower precision, so that they must differ.
        loss: What a lower precision of graph or pack costs; None where both are as they always were.
    """

    parity: Parity | None = None
    loss: Loss | None = None


def open_graph(path: Path, *, modality: str, dimensions: Dimensions) -> FeedsEngine:
    """Return an exported graph, run on the processor of the workstation by the code of the device."""
    session = open_session(path, WORKSTATION)
    check_graph(session, modality=modality, dimensions=dimensions, path=path)
    return FeedsEngine(session)


def open_gate(reference: Reference, bundle: Bundle, *, plan: PackPlan) -> Gate:
    """Return the gate between a backbone in torch and a bundle."""
    return Gate(bundle, open_engine(bundle, providers=WORKSTATION), reference, plan)


def build_pack(run: Run, task: str, *, gate: Gate, path: Path, version: int) -> Passed:
    """Write the pack of a finished task if it passes the gate.

    Args:
        run: The run that trained it.
        task: Its name.
        gate: What it is compared with.
        path: File to write.
        version: Of the pack; 1 or more, a device prefers the highest.

    Returns:
        What the gate measured.

    Raises:
        GateError: The gate is not passed; nothing is written.
        ExportError: A value does not fit in the pack's type.
        RunError: The run has no such finished task.
    """
    record, trained = run.task(task), run.tensors(task)
    try:
        tensors = trained.rounded(gate.plan.pack_type)
    except InputError as error:
        raise ExportError(
            f"task {task!r}: {error}. Train it again with a lower training.learning_rate"
        ) from error
    passed = _pass(gate, run.heldout(task), task=task, trained=trained, shipped=tensors)
    manifest = PackManifest(
        task=task,
        version=version,
        fingerprint=gate.bundle.fingerprint,
        labels=record.labels,
        attention=gate.bundle.attention,
        probe=Probe(PROBE_SEEDS, {gate.bundle.profile.precision: _probe_tolerance(passed)}),
        provenance=_provenance(run, record),
        parent=record.parent,
        metrics=_metrics(record, passed),
    )
    probe = probe_inputs(gate.bundle.preprocessing, PROBE_SEEDS)
    features = gate.engine.place(tensors.graph_inputs()).run(probe)
    write_pack(path, manifest, tensors, features, int8=gate.plan.pack_type == "I8")
    pack = _read_back(path, gate.bundle, tensors)
    if gate.plan.adapters:
        write_adapter(pack, path.with_suffix(ADAPTER_SUFFIX))
    return passed


def _pass(gate: Gate, heldout: HeldOut, *, task: str, trained: TaskTensors, shipped: TaskTensors) -> Passed:
    """Return what a task measures.

    A graph in full precision must compute what torch does with the same tensors. What is rounded further, graph or
    tensors, may cost some accuracy and no more.
    """
    precision, plan, parity, loss = gate.bundle.profile.precision, gate.plan, None, None
    preprocessor = gate.reference.preprocessor
    if precision == FULL_PRECISION:
        parity = compare_task(
            gate.reference, gate.engine, preprocessor, heldout.prepared, task=task, tensors=shipped
        )
        parity.require()
    if precision != FULL_PRECISION or plan.pack_type != PACK_DTYPE:
        loss = compare_precision(
            gate.reference,
            gate.engine,
            heldout,
            task=task,
            trained=trained,
            shipped=shipped,
            shipping=Shipping(precision, plan.pack_type, plan.max_loss),
        )
        loss.require()
    return Passed(parity, loss)


def _probe_tolerance(passed: Passed) -> float:
    """Return how far another device may be off: twice what rounding does here, on the same graph and tensors."""
    if passed.parity is not None:
        return max(LEAST_PROBE_TOLERANCE, 2 * passed.parity.tolerance)
    return max(LEAST_PROBE_TOLERANCE, 2 * passed.loss.max_difference if passed.loss else 0.0)


def _metrics(record: TaskRecord, passed: Passed) -> dict[str, float]:
    """Return what a pack says was measured: the accuracy of the run only where the run measured these tensors."""
    found = {}
    if passed.loss is None or passed.loss.pack_type == PACK_DTYPE:
        found = {"accuracy": record.accuracy, "test_items": float(record.test_items)}
        if record.is_balanced:
            found["balanced_accuracy"] = record.score
    if passed.parity is not None:
        found |= {
            "parity_max_difference": passed.parity.max_difference,
            "parity_items": float(passed.parity.items),
        }
    if passed.loss is not None:
        found |= {
            "heldout_accuracy": passed.loss.accuracy,
            "heldout_accuracy_fp32": passed.loss.accuracy_fp32,
            "heldout_items": float(passed.loss.items),
        }
    return found


def _read_back(path: Path, bundle: Bundle, tensors: TaskTensors) -> TaskPack:
    try:
        pack = read_pack(path, bundle=bundle)
        stored = dict(pack.tensors.items())
        same = all(np.array_equal(stored[name], expected) for name, expected in tensors.items())
    except PackError as error:
        path.unlink()
        raise ExportError(f"{path}: cannot be read back ({error}); check the disk") from error
    if not same:
        path.unlink()
        raise ExportError(f"{path}: tensors read back differ from what was written; check the disk")
    return pack


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
