"""What one image costs, counted from the architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import ViTConfig


def vit_macs(config: ViTConfig) -> int:
    """Return the multiply-accumulate operations of one image: patches, projections, attention, feed-forward nets.

    Norms, activations, softmax and additions are not counted, as is usual.
    """
    image, patch, width = config.image_size, config.patch_size, config.hidden_size
    if not isinstance(image, int) or not isinstance(patch, int):
        raise ValueError(f"image size {image} and patch size {patch}: only squares are counted")
    patches = (image // patch) ** 2
    tokens = patches + 1
    embedding = patches * config.num_channels * patch**2 * width
    projections = 4 * tokens * width * width
    attention = 2 * tokens * tokens * width
    feed_forward = 2 * tokens * width * config.intermediate_size
    return embedding + config.num_hidden_layers * (projections + attention + feed_forward)
