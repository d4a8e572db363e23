"""Where prefixes and adapters enter each supported family of `transformers` encoders."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from torch import nn

from edgecl.errors import BackboneError
from edgecl.kinds import Modality, Pooling


@dataclass(frozen=True, slots=True)
class Family:
    """Paths, inside a `transformers` model, of what a task acts on.

    Attributes:
        blocks: Path of the list of blocks.
        attention: Path, inside a block, of the module that calls the attention interface.
        feed_forward: Path, inside a block, of the last module before the feed-forward net's residual.
        modality: What the model reads.
        pooling: How the family pools its tokens unless the checkpoint says otherwise.
        has_pooler: Whether the constructor adds a pooling layer that is not used here.
    """

    blocks: str
    attention: str
    feed_forward: str
    modality: Modality
    pooling: Pooling
    has_pooler: bool


FAMILIES = {
    "vit": Family("layers", "attention", "mlp", "image", "cls", has_pooler=True),
    "deit": Family("layers", "attention", "mlp", "image", "cls", has_pooler=True),
    "dinov2": Family("encoder.layer", "attention", "layer_scale2", "image", "cls", has_pooler=False),
    "bert": Family("encoder.layer", "attention.self", "output.dropout", "text", "cls", has_pooler=True),
}


def family_of(model_type: str, *, source: str) -> Family:
    """Return the family of a `transformers` model type.

    Raises:
        BackboneError: The type is not supported.
    """
    try:
        return FAMILIES[model_type]
    except KeyError:
        raise BackboneError(
            f"{source}: model type {model_type!r} is not supported; supported are {', '.join(sorted(FAMILIES))}. "
            "Choose an encoder of one of these families"
        ) from None


def submodule(module: nn.Module, path: str) -> nn.Module:
    """Return the module at a dotted path such as `attention.self`."""
    return reduce(getattr, path.split("."), module)
