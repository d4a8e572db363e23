"""Export a run: one bundle for its backbone, one pack for each of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecl.backbones.contained import contained
from edgecl.methods import METHODS
from edgecl.training.train import load_run_backbone
from edgecl_export.budgets import check_budgets
from edgecl_export.contents import choose_profile, write_contents
from edgecl_export.errors import ExportError, ExportMismatchError, GateError
from edgecl_export.folders import parents, workplace
from edgecl_export.graph import export_graph
from edgecl_export.measured import Measured, OnLoss, OnParity, say_nothing
from edgecl_export.packs import Gate, Passed, build_pack, open_gate, open_graph, pack_name
from edgecl_export.parity import Reference, compare_bare
from edgecl_export.plan import ExportPlan, PackPlan
from edgecl_export.torch_tensorrt import import_torch_tensorrt
from edgecl_runtime.bundle import GRAPH_FILE, read_bundle
from edgecl_runtime.pack import PACK_SUFFIX

if TYPE_CHECKING:
    from edgecl.backbones.huggingface import Backbone
    from edgecl.training.run import Run
    from edgecl_devices import DeviceProfile
    from edgecl_export.loss import Loss
    from edgecl_export.parity import Parity


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote and measured.

    Attributes:
        bundle: Its folder.
        packs: The packs, in the order of the run.
        parity: Of the bare backbone in float32 first, then of every task on a graph in float32.
        losses: Of every task whose graph or pack is of lower precision.
        refused: Why tasks have no pack.
    """

    bundle: Path
    packs: tuple[Path, ...]
    parity: tuple[Parity, ...]
    losses: tuple[Loss, ...]
    refused: tuple[GateError, ...]


def export_run(
    run: Run,
    out: Path,
    *,
    device: DeviceProfile,
    on_parity: OnParity,
    on_loss: OnLoss = say_nothing,
    plan: ExportPlan | None = None,
    backbone_source: str | None = None,
) -> Exported:
    """Write a bundle and one pack per task; the folder appears only when the bundle is complete.

    Args:
        run: A run with at least one finished task.
        out: Folder to make; must not exist, since a bundle in the field never changes.
        device: Whose profile the bundle names.
        on_parity: Told how far the graph is from torch, the bare backbone first.
        on_loss: Told what a lower precision costs a task.
        plan: What is made, and in which precision; without it a graph in the device's and float16 packs.
        backbone_source: Where the run's backbone lies now, if not where the run was made.

    Raises:
        ExportError: The folder exists, the run has no task, or the backbone cannot be exported.
        ExportMismatchError: The run's method does not ship.
        MissingLibraryError: torch_tensorrt or a GPU is missing and the plan wants an engine.
        ParityError: The bare backbone fails the gate; nothing is written.
        BudgetError: The backbone does not fit in the device; nothing is written.
    """
    plan = plan or ExportPlan()
    _require_exportable(run, out)
    if plan.engine:
        import_torch_tensorrt()  # tracing takes minutes: what is missing is said before
    backbone = load_run_backbone(run, source=backbone_source)
    reference, measured = Reference(backbone), Measured(on_parity, on_loss)
    with parents(out), workplace(out) as folder:
        with contained(folder):
            export_graph(backbone, folder / GRAPH_FILE)
        bare = _compare_bare(run, backbone, reference, folder / GRAPH_FILE)
        measured.add(bare)
        bare.require()
        profile = choose_profile(device, plan)
        bundle = write_contents(folder, backbone, run=run, profile=profile, plan=plan)
        check_budgets(bundle)
        packs = _write_packs(run, open_gate(reference, bundle, plan=plan.packs), measured)
        measured.write(folder)
        folder.replace(out)
    return Exported(
        out,
        tuple(out / path.relative_to(folder) for path in packs),
        tuple(measured.parity),
        tuple(measured.losses),
        tuple(measured.refused),
    )


def add_pack(
    run: Run,
    task: str,
    *,
    bundle_folder: Path,
    out: Path,
    version: int,
    plan: PackPlan | None = None,
    backbone_source: str | None = None,
) -> Passed:
    """Write the pack of one task against a bundle that is already in the field; the bundle keeps every byte.

    Args:
        run: The run that trained the task.
        task: Its name.
        bundle_folder: The bundle.
        out: File to write; must not exist.
        version: Of the pack.
        plan: How the pack is stored; float16 without it.
        backbone_source: Where the run's backbone lies now, if not where the run was made.

    Raises:
        ExportError: `out` exists, or is not named like a pack.
        ParityError: The gate is not passed; nothing is written.
        ExportMismatchError: The bundle is of another backbone or attention, or the run's method does not ship.
        BundleError: The bundle is damaged.
    """
    bundle = read_bundle(bundle_folder)
    if bundle.fingerprint != run.record.fingerprint:
        raise ExportMismatchError(
            f"{bundle_folder}: is of backbone {bundle.fingerprint[:12]}, but {run.folder} was trained on "
            f"{run.record.fingerprint[:12]}. Name the bundle that was exported from this run"
        )
    attention = run.record.config.method.attention
    if bundle.attention != attention:
        raise ExportMismatchError(
            f"{bundle_folder}: its attention is {bundle.attention}, but {run.folder} was trained with {attention}. "
            "Name the bundle that was exported from this run"
        )
    _require_shipping(run)
    if out.exists():
        raise ExportError(
            f"{out}: exists already, and a pack is never changed. Choose another name or --version"
        )
    if out.suffix != PACK_SUFFIX:
        raise ExportError(
            f"{out}: a device opens files named *{PACK_SUFFIX} only. Use --out {pack_name(task, version)}"
        )
    run.task(task)
    reference = Reference(load_run_backbone(run, source=backbone_source))
    with parents(out):
        gate = open_gate(reference, bundle, plan=plan or PackPlan())
        return build_pack(run, task, gate=gate, path=out, version=version)


def _compare_bare(run: Run, backbone: Backbone, reference: Reference, graph: Path) -> Parity:
    spec = backbone.spec
    engine = open_graph(graph, modality=spec.preprocessing.modality, dimensions=spec.dimensions)
    sample = [item for name in run.names for item in run.heldout(name).prepared]
    return compare_bare(reference, engine, backbone.preprocessor, sample)


def _write_packs(run: Run, gate: Gate, measured: Measured) -> list[Path]:
    """Write a pack for every task that passes, and return them."""
    gate.bundle.packs_path.mkdir()
    packs = []
    for name in run.names:
        path = gate.bundle.packs_path / pack_name(name, 1)
        try:
            measured.passed(build_pack(run, name, gate=gate, path=path, version=1))
        except GateError as error:
            measured.failed(error)
            continue
        packs.append(path)
    return packs


def _require_exportable(run: Run, out: Path) -> None:
    if not run.tasks:
        raise ExportError(
            f"{run.folder}: has no finished task. Train one: edgecl train {run.folder} --task NAME=DATA"
        )
    if out.exists():
        raise ExportError(
            f"{out}: exists already, and a bundle is never changed. Add a task to it with edgecl pack build, "
            "or export to another folder"
        )
    _require_shipping(run)


def _require_shipping(run: Run) -> None:
    """Refuse runs of methods that are measured only.

    Raises:
        ExportMismatchError: The method makes no packs.
    """
    method = run.record.config.method.name
    if not METHODS[method].ships:
        raise ExportMismatchError(
            f"{run.folder}: was trained with {method!r}, a comparison that is measured and never shipped. "
            "Train with adaprefix or adaprefix++ to export"
        )
