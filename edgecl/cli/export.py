"""`edgecl export`: the bundle of a backbone and the packs of its tasks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecl.cli.output import json_option, note, print_json, print_table, size

if TYPE_CHECKING:
    from edgecl_export.parity import Parity

EXAMPLES = """\b
Examples:
  edgecl export runs/shop-floor --out bundles/shop-floor
  edgecl export runs/shop-floor --out bundles/shop-floor --device generic-cpu --json"""


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the bundle to make.")
@click.option(
    "--device", default="generic-cpu", show_default=True, help="Device profile that the bundle names."
)
@click.option("--backbone", help="Where the run's backbone lies now, if its folder moved.")
@json_option
def export(run: Path, out: Path, device: str, backbone: str | None, as_json: bool) -> None:
    """Export a run: one bundle for its backbone and one pack per task, each through the parity gate.

    The gate compares torch with the device's own code on held-out inputs. A task that fails it gets no pack, and
    the exit code is 3.
    """
    from edgecl.training.run import Run
    from edgecl_devices import load_profile
    from edgecl_export.bundle import export_run

    opened, profile = Run.open(run), load_profile(device)
    note("writing the graph of the backbone (once per bundle, half a minute or so)")
    exported = export_run(opened, out, device=profile, on_parity=show_parity, backbone_source=backbone)
    for error in exported.refused:
        note(f"edgecl: {error}")
    backbone_bytes = (exported.bundle / "backbone.onnx").stat().st_size
    if as_json:
        print_json(
            {
                "bundle": str(exported.bundle),
                "backbone_bytes": backbone_bytes,
                "packs": [{"path": str(path), "bytes": path.stat().st_size} for path in exported.packs],
                "parity": [asdict(parity) for parity in exported.parity],
                "refused": [str(error) for error in exported.refused],
            }
        )
    else:
        rows = [("backbone.onnx", size(backbone_bytes), "")]
        rows += [
            (f"packs/{path.name}", size(path.stat().st_size), f"{path.stat().st_size / backbone_bytes:.1%}")
            for path in exported.packs
        ]
        print_table(str(exported.bundle), ("file", "size", "of the backbone"), rows)
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
