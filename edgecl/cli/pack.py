"""`edgecl pack`: make, show and verify single packs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgecl.cli.export import (
    format_option,
    loss_option,
    show_loss,
    show_parity,
    tensors_option,
    warn_of_adapters,
)
from edgecl.cli.output import json_option, print_facts, print_json, size

BUILD_EXAMPLES = """\b
Example:
  edgecl train runs/shop-floor --task scratches=data/scratches
  edgecl pack build runs/shop-floor --task scratches --bundle bundles/shop-floor --out scratches-1.ecpack"""
SHOW_EXAMPLES = """\b
Example:
  edgecl pack show bundles/shop-floor/packs/signs-1.ecpack"""
VERIFY_EXAMPLES = """\b
Examples:
  edgecl pack verify scratches-1.ecpack
  edgecl pack verify scratches-1.ecpack --bundle bundles/shop-floor"""


@click.group()
def pack() -> None:
    """Make, show and verify the packs of single tasks."""


@pack.command(epilog=BUILD_EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--task", required=True, help="A finished task of the run.")
@click.option(
    "--bundle", required=True, type=click.Path(path_type=Path), help="The bundle that is in the field."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option(
    "--version", type=click.IntRange(min=1), default=1, show_default=True, help="A device uses the highest."
)
@tensors_option
@loss_option
@format_option
@click.option("--backbone", help="Where the run's backbone lies now, if its folder moved.")
@json_option
def build(
    *,
    run: Path,
    task: str,
    bundle: Path,
    out: Path,
    version: int,
    tensors: str,
    max_loss: float,
    pack_format: str,
    backbone: str | None,
    as_json: bool,
) -> None:
    """Make the pack of one task against a bundle in the field; the bundle and its packs keep every byte."""
    from edgecl.training.run import Run
    from edgecl_export.bundle import add_pack
    from edgecl_export.plan import PACK_TYPES, PackPlan

    adapters = pack_format == "onnx_adapter"
    passed = add_pack(
        Run.open(run),
        task,
        bundle_folder=bundle,
        out=out,
        version=version,
        plan=PackPlan(pack_type=PACK_TYPES[tensors], max_loss=max_loss, adapters=adapters),
        backbone_source=backbone,
    )
    if passed.parity is not None:
        show_parity(passed.parity)
    if passed.loss is not None:
        show_loss(passed.loss)
    if adapters:
        warn_of_adapters()
    count = out.stat().st_size
    if as_json:
        print_json(
            {
                "pack": str(out),
                "task": task,
                "version": version,
                "bytes": count,
                "parity": None if passed.parity is None else asdict(passed.parity),
                "loss": None if passed.loss is None else asdict(passed.loss),
            }
        )
    else:
        click.echo(f"{out}: task {task}, version {version}, {size(count)}")


@pack.command(epilog=SHOW_EXAMPLES)
@click.argument("path", metavar="PACK", type=click.Path(path_type=Path))
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show what a pack says about itself; its digests are checked first."""
    from edgecl_runtime.pack import read_pack

    found = read_pack(path)
    manifest = found.manifest
    if as_json:
        print_json({"path": str(path), "bytes": found.size_bytes, "manifest": manifest.to_json()})
        return
    tensors = found.tensors
    facts = [
        ("task", f"{manifest.task}, version {manifest.version}"),
        ("labels", ", ".join(manifest.labels)),
        ("size", size(found.size_bytes)),
        ("backbone", manifest.fingerprint[:12]),
        ("prefixes, rank", f"{tensors.prefix_length}, {tensors.rank}"),
        ("method", manifest.provenance.method),
        ("needs", f"edgecl-runtime {manifest.min_runtime}"),
    ]
    facts += [(name.replace("_", " "), f"{value:.6g}") for name, value in manifest.metrics.items()]
    print_facts(str(path), facts)


@pack.command(epilog=VERIFY_EXAMPLES)
@click.argument("path", metavar="PACK", type=click.Path(path_type=Path))
@click.option("--bundle", type=click.Path(path_type=Path), help="Also check that it fits, and run its probe.")
@json_option
def verify(path: Path, bundle: Path | None, as_json: bool) -> None:
    """Check every byte of a pack against its digests and, with --bundle, reproduce its probe."""
    from edgecl_runtime import Runtime
    from edgecl_runtime.pack import read_pack

    found = read_pack(path)
    difference = None
    if bundle is not None:
        runtime = Runtime.open(bundle, packs=[path])
        difference = runtime.verify(found.manifest.task)
    result = {
        "pack": str(path),
        "task": found.manifest.task,
        "version": found.manifest.version,
        "intact": True,
    }
    if as_json:
        print_json(result | {"probe_max_difference": difference})
    else:
        probe = "" if difference is None else f"; probe reproduced within {difference:.1e}"
        click.echo(f"{path}: intact, task {found.manifest.task}, version {found.manifest.version}{probe}")
