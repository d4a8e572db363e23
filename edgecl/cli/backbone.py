"""`edgecl backbone`: look at backbones, and convert weights into the form that `edgecl train` reads."""

from __future__ import annotations

from pathlib import Path

import click

from edgecl.cli.output import json_option, print_facts, print_json


@click.group()
def backbone() -> None:
    """Look at frozen backbones and convert weights."""


@backbone.command(epilog="\b\nExample:\n  edgecl backbone show edgecl/vit-64")
@click.argument("source")
@click.option("--image-size", type=int, help="Side of the input in pixels.")
@json_option
def show(source: str, image_size: int | None, as_json: bool) -> None:
    """Load a backbone and show its shapes, preprocessing and fingerprint."""
    from edgecl.backbones.huggingface import load_backbone

    loaded = load_backbone(source, image_size=image_size)
    spec = loaded.spec
    facts = {
        "source": source,
        "model_type": spec.model_type,
        "dimensions": spec.dimensions.to_json(),
        "pooling": spec.pooling,
        "preprocessing": spec.preprocessing.to_json(),
        "parameters": sum(parameter.numel() for parameter in loaded.module.parameters()),
        "fingerprint": loaded.fingerprint,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(source, [(name, str(value)) for name, value in facts.items() if name != "source"])


@backbone.command(epilog="\b\nExample:\n  edgecl backbone convert vit_tiny.npz --out backbones/vit-tiny")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--mean", default=0.5, show_default=True, help="Mean of every channel the weights were trained with."
)
@click.option("--std", default=0.5, show_default=True, help="Standard deviation of every channel.")
@json_option
def convert(weights: Path, out: Path, mean: float, std: float, as_json: bool) -> None:
    """Turn ViT weights with timm's names (.npz) into a local transformers folder."""
    from edgecl.backbones.timm_vit import convert_timm_vit

    config = convert_timm_vit(weights, out, mean=mean, std=std)
    facts = {
        "folder": str(out),
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "heads": config.num_attention_heads,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
    }
    if as_json:
        print_json(facts)
    else:
        click.echo(
            f"{out}: ViT, {facts['layers']} blocks of width {facts['width']}, {facts['image_size']} px"
        )
