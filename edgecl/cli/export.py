"""`edgecl export`: the bundle of a backbone and the packs of its tasks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecl.cli.output import json_option, note, print_json, print_table, size

if TYPE_CHECKING:
    from edgecl_export.bundle import Exported
    from edgecl_export.loss import Loss
    from edgecl_export.parity import Parity
    from edgecl_export.plan import ExportPlan

EXAMPLES = """\b
Examples:
  edgecl export runs/shop-floor --out bundles/shop-floor
  edgecl export runs/shop-floor --out bundles/shop-floor --device raspberry-pi-5 --precision int8 --tensors int8
  edgecl export runs/shop-floor --out bundles/shop-floor --format onnx_adapter     for C, C++ and C#
  edgecl export runs/shop-floor --out bundles/shop-floor --twin                    for JavaScript
  edgecl export runs/shop-floor --out bundles/shop-floor --target tensorrt --limits 8 32 64"""

tensors_option = click.option(
    "--tensors",
    type=click.Choice(["fp16", "int8"]),
    default="fp16",
    show_default=True,
    help="Number type of the packs.",
)
loss_option = click.option(
    "--max-loss",
    metavar="POINTS",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Accuracy that a lower precision may cost on held-out items.",
)
format_option = click.option(
    "--format",
    "pack_format",
    type=click.Choice(["ecpack", "onnx_adapter"]),
    default="ecpack",
    show_default=True,
    help="onnx_adapter: also one beside each pack, for apps that use onnxruntime directly.",
)


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the bundle to make.")
@click.option(
    "--device", default="generic-cpu", show_default=True, help="Device profile that the bundle names."
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    help="Of the graph; the device's if not given.",
)
@tensors_option
@loss_option
@format_option
@click.option("--twin", is_flag=True, help="Also write backbone.explicit.onnx.")
@click.option(
    "--target",
    type=click.Choice(["onnxruntime", "tensorrt", "torch-tensorrt"]),
    default="onnxruntime",
    show_default=True,
    help="tensorrt: for onnxruntime's TensorRT provider. torch-tensorrt: also build an engine for the GPU in use.",
)
@click.option(
    "--limits",
    nargs=3,
    metavar="BATCH PREFIXES RANK",
    type=click.IntRange(min=1),
    default=(8, 32, 64),
    show_default=True,
    help="The largest call that a TensorRT engine serves.",
)
@click.option("--backbone", help="Where the run's backbone lies now, if its folder moved.")
@json_option
def export(
    *,
    run: Path,
    out: Path,
    device: str,
    precision: str | None,
    tensors: str,
    max_loss: float,
    pack_format: str,
    twin: bool,
    target: str,
    limits: tuple[int, int, int],
    backbone: str | None,
    as_json: bool,
) -> None:
    """Export a run: one bundle for its backbone and one pack per task, each through the gate.

    The gate compares torch with the device's own code on held-out inputs: a graph in float32 must compute the same,
    and a lower precision may cost no more accuracy than --max-loss. A task that fails it gets no pack, and the exit
    code is 3.
    """
    from edgecl.training.run import Run
    from edgecl_devices import load_profile
    from edgecl_export.bundle import export_run
    from edgecl_export.plan import PACK_TYPES, ExportPlan, PackPlan
    from edgecl_runtime.tensorrt import Limits

    packs = PackPlan(pack_type=PACK_TYPES[tensors], max_loss=max_loss, adapters=pack_format == "onnx_adapter")
    plan = ExportPlan(
        packs=packs,
        precision=precision,
        twin=twin,
        tensorrt=None if target == "onnxruntime" else Limits(*limits),
        engine=target == "torch-tensorrt",
    )
    opened, profile = Run.open(run), load_profile(device)
    note("writing the graph of the backbone (once per bundle, half a minute or so)")
    exported = export_run(
        opened,
        out,
        device=profile,
        on_parity=show_parity,
        on_loss=show_loss,
        plan=plan,
        backbone_source=backbone,
    )
    for error in exported.refused:
        note(f"edgecl: {error}")
    if as_json:
        print_json(_as_json(exported))
    else:
        _print(exported)
    _warn(plan)
    if exported.refused:
        click.get_current_context().exit(3)


def show_parity(parity: Parity) -> None:
    """Print one line of the gate to standard error."""
    name = "no task" if parity.task is None else parity.task
    note(
        f"parity, {name}: features within {parity.max_difference:.1e} of float64 (torch's own float32: "
        f"{parity.torch_difference:.1e}, allowed: {parity.tolerance:.0e}), {parity.labels_differ} labels differ, "
        f"{parity.items} inputs"
    )


def show_loss(loss: Loss) -> None:
    """Print one line about what a lower precision costs to standard error."""
    note(
        f"accuracy, {loss.task}: {loss.accuracy:.1f} % with a graph in {loss.precision} and tensors in "
        f"{loss.pack_type}, {loss.accuracy_fp32:.1f} % in float32 (allowed loss: {loss.allowed:g} points), "
        f"{loss.labels_differ} labels differ, {loss.items} inputs"
    )


def warn_of_adapters() -> None:
    """Say what is lost with the files of onnxruntime's own format."""
    from edgecl_export.adapters import LOST

    note(f"edgecl: {LOST}")


def _warn(plan: ExportPlan) -> None:
    if plan.packs.adapters:
        warn_of_adapters()


def _as_json(exported: Exported) -> dict[str, object]:
    return {
        "bundle": str(exported.bundle),
        "backbone_bytes": _backbone_bytes(exported),
        "packs": [{"path": str(path), "bytes": path.stat().st_size} for path in exported.packs],
        "parity": [asdict(parity) for parity in exported.parity],
        "losses": [asdict(loss) for loss in exported.losses],
        "refused": [str(error) for error in exported.refused],
    }


def _print(exported: Exported) -> None:
    whole = _backbone_bytes(exported)
    rows = [("backbone.onnx", size(whole), "")]
    rows += [
        (f"packs/{path.name}", size(path.stat().st_size), f"{path.stat().st_size / whole:.1%}")
        for path in exported.packs
    ]
    print_table(str(exported.bundle), ("file", "size", "of the backbone"), rows)


def _backbone_bytes(exported: Exported) -> int:
    return (exported.bundle / "backbone.onnx").stat().st_size
