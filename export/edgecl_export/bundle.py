"""Export a run: one bundle for its backbone, one pack for each of its tasks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecl.backbones.contained import contained
from edgecl.methods import METHODS
from edgecl.training.train import load_run_backbone
from edgecl.training.versions import package_versions
from edgecl_export.errors import ExportError, ExportMismatchError
from edgecl_export.graph import export_graph
from edgecl_export.packs import build_pack, open_gate, pack_name
from edgecl_export.parity import GateError, Parity, compare_bare
from edgecl_runtime.bundle import Bundle, Profile, read_bundle, write_bundle
from edgecl_runtime.durable import write_durably
from edgecl_runtime.engine.onnxruntime import import_onnxruntime
from edgecl_runtime.pack import PACK_SUFFIX

if TYPE_CHECKING:
    from edgecl.backbones.huggingface import Backbone
    from edgecl.training.run import Run
    from edgecl_devices import DeviceProfile

PARITY_FILE = "parity.json"

OnParity = Callable[[Parity], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote and measured.

    Attributes:
        bundle: Its folder.
        packs: The packs, in the order of the run.
        parity: Of the bare backbone first, then of every task.
        refused: Why tasks have no pack.
    """

    bundle: Path
    packs: tuple[Path, ...]
    parity: tuple[Parity, ...]
    refused: tuple[GateError, ...]


def export_run(
    run: Run, out: Path, *, device: DeviceProfile, on_parity: OnParity, backbone_source: str | None = None
) -> Exported:
    """Write a bundle and one pack per task; the folder appears only when the bundle is complete.

    Args:
        run: A run with at least one finished task.
        out: Folder to make; must not exist, since a bundle in the field never changes.
        device: Whose providers and precision the bundle names.
        on_parity: Told what the gate measured, the bare backbone first.
        backbone_source: Where the run's backbone lies now, if not where the run was made.

    Raises:
        ExportError: The folder exists, the run has no task, or the backbone cannot be exported.
        ExportMismatchError: The run's method does not ship.
        ParityError: The bare backbone fails the gate; nothing is written.
    """
    records = run.tasks
    if not records:
        raise ExportError(
            f"{run.folder}: has no finished task. Train one: edgecl train {run.folder} --task NAME=DATA"
        )
    if out.exists():
        raise ExportError(
            f"{out}: exists already, and a bundle is never changed. Add a task to it with edgecl pack build, "
            "or export to another folder"
        )
    _require_shipping(run)
    backbone = load_run_backbone(run, source=backbone_source)
    with _parents(out), _workplace(out) as workplace:
        bundle = _write_bundle(workplace, backbone, device)
        gate = open_gate(backbone, bundle)
        sample = [item for record in records for item in run.heldout(record.name).prepared]
        parities = [compare_bare(gate.reference, gate.engine, gate.preprocessor, sample)]
        on_parity(parities[0])
        parities[0].require()
        packs, refused = [], []
        bundle.packs_path.mkdir()
        for record in records:
            path = bundle.packs_path / pack_name(record.name, 1)
            try:
                parity = build_pack(run, record.name, gate=gate, path=path, version=1)
            except GateError as error:
                refused.append(error)
                parities.append(error.parity)
                on_parity(error.parity)
                continue
            parities.append(parity)
            packs.append(out / "packs" / path.name)
            on_parity(parity)
        write_durably(
            workplace / PARITY_FILE, json.dumps([asdict(p) for p in parities], indent=2).encode() + b"\n"
        )
        workplace.replace(out)
    return Exported(out, tuple(packs), tuple(parities), tuple(refused))


def add_pack(
    run: Run, task: str, *, bundle_folder: Path, out: Path, version: int, backbone_source: str | None = None
) -> Parity:
    """Write the pack of one task against a bundle that is already in the field; the bundle keeps every byte.

    Args:
        run: The run that trained the task.
        task: Its name.
        bundle_folder: The bundle.
        out: File to write; must not exist.
        version: Of the pack.
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
    backbone = load_run_backbone(run, source=backbone_source)
    with _parents(out):
        return build_pack(run, task, gate=open_gate(backbone, bundle), path=out, version=version)


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


@contextmanager
def _parents(path: Path) -> Iterator[None]:
    """Make the folders that lead to a path; if the work fails, those it made are removed again."""
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else put something there meanwhile
            for folder in made:
                folder.rmdir()
        raise


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out`, on the same file system; what is left of it at the end is removed."""
    workplace = out.with_name(f".{out.name}.part")  # one that a kill left behind is not worth keeping
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir()
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _write_bundle(folder: Path, backbone: Backbone, device: DeviceProfile) -> Bundle:
    spec = backbone.spec
    with contained(folder):
        export_graph(backbone, folder / "backbone.onnx")
    if backbone.tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(backbone.tokenizer)
    return write_bundle(
        folder,
        fingerprint=backbone.fingerprint,
        backbone=Path(spec.source).resolve().name,
        dimensions=spec.dimensions,
        attention=backbone.module.attention,
        pooling=spec.pooling,
        preprocessing=spec.preprocessing,
        profile=Profile(name=device.name, providers=device.providers, precision=device.precision),
        versions=package_versions("edgecl", "torch", "transformers", "onnx")
        | {"onnxruntime": import_onnxruntime().__version__},
    )
