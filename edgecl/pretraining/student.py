"""The backbone that is trained, and what exists only meanwhile: a classifier, projectors to the teacher's width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import unfold
from transformers import ViTConfig

from edgecl.backbones import contained as _contained  # noqa: F401  # before the module that it guards

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import ViTModel

    from edgecl.pretraining.config import LossConfig, StudentConfig

PIXEL_MEAN = PIXEL_STD = 0.5
"""The input is `(x - mean) / std` of pixels from 0 to 1."""

POSITIONS_SIZE = 0.2
PATCHES_SIZE = 0.3
DAMPING = 5e-4
"""Part of the whole variance that is added to each direction of a patch before it is whitened."""


class Outputs(NamedTuple):
    """What a student says of B images, float32.

    Attributes:
        scores: Of the classes, [B, C].
        pooled: Class token in the teacher's width, [B, D]; None where it is not learned.
        tokens: Patch tokens in the teacher's width, [B, K, D]; None where they are not learned.
    """

    scores: Tensor
    pooled: Tensor | None
    tokens: Tensor | None


class Student(nn.Module):
    """A ViT that starts from random numbers, with its classifier and projectors."""

    def __init__(
        self, config: StudentConfig, *, classes: int, teacher_width: int | None, loss: LossConfig
    ) -> None:
        """Draw the start from torch's global random numbers.

        Args:
            config: The architecture.
            classes: Number of classes.
            teacher_width: Width of the features to be projected to; None without a teacher.
            loss: What is learned; a classifier whose weight is 0 only looks on, and the backbone does not feel it.
        """
        from transformers import ViTModel

        super().__init__()
        self.backbone: ViTModel = ViTModel(vit_config(config), add_pooling_layer=False)
        positions = self.backbone.embeddings.position_embeddings
        positions.data[0, 1:] = sinusoidal_positions(config.grid, config.width)
        self.classifier = nn.Linear(config.width, classes)
        self.project_pooled = _projector(config.width, teacher_width if loss.pooled else None)
        self.project_tokens = _projector(config.width, teacher_width if loss.tokens else None)
        self._learns_labels = loss.labels > 0

    def features(self, pixels: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return normalised tokens [B, 1 + K, D] of all patches, or of those `kept` [B, K]."""
        hidden = self.backbone.embeddings(pixels)
        if kept is not None:
            hidden = torch.cat([hidden[:, :1], pick(hidden[:, 1:], kept)], dim=1)
        for layer in self.backbone.layers:
            hidden = layer(hidden)
        features: Tensor = self.backbone.layernorm(hidden)
        return features

    def forward(self, pixels: Tensor, kept: Tensor | None = None) -> Outputs:
        """Return what the student says of images [B, 3, S, S] of which it sees the patches `kept` [B, K], or all."""
        features = self.features(pixels, kept)
        pooled, tokens = features[:, 0], features[:, 1:]
        scores = self.classifier(pooled if self._learns_labels else pooled.detach())
        return Outputs(
            scores.float(),
            None if self.project_pooled is None else self.project_pooled(pooled).float(),
            None if self.project_tokens is None else self.project_tokens(tokens).float(),
        )


def _projector(width: int, teacher_width: int | None) -> nn.Linear | None:
    return None if teacher_width is None else nn.Linear(width, teacher_width)


def vit_config(config: StudentConfig) -> ViTConfig:
    """Return the architecture as `transformers` describes it."""
    return ViTConfig(
        hidden_size=config.width,
        num_hidden_layers=config.blocks,
        num_attention_heads=config.heads,
        intermediate_size=config.feed_forward * config.width,
        image_size=config.image_size,
        patch_size=config.patch_size,
        layer_norm_eps=1e-6,
    )


def as_input(images: Tensor) -> Tensor:
    """Return images from 0 to 1 as the network reads them."""
    return (images - PIXEL_MEAN) / PIXEL_STD


def pick(tokens: Tensor, kept: Tensor) -> Tensor:
    """Return the tokens [B, K, D] of [B, N, D] that `kept` [B, K] names."""
    return tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[2]))


def sinusoidal_positions(side: int, width: int) -> Tensor:
    """Return position embeddings of sines and cosines in two dimensions, [side * side, width], to start from."""
    frequency = 1e-4 ** (torch.arange(width // 4) / max(width // 4 - 1, 1))
    angle = torch.arange(side)[:, None] * frequency
    waves = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows = waves[:, None].expand(side, side, -1)
    columns = waves[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=2).reshape(side * side, width) * POSITIONS_SIZE


@torch.no_grad()
def start_whitened(backbone: ViTModel, pixels: NDArray[np.uint8]) -> None:
    """Start the patch embedding as a random rotation of whitened patches of images [N, S, S, 3].

    Natural images have nearly all their variance in the mean colour of a patch. Whitening, damped where only noise is
    left, shows the first block edges and texture at the same strength from the first step on.
    """
    projection = backbone.embeddings.patch_embeddings.projection
    side = projection.kernel_size[0]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    patches = unfold(as_input(images), side, stride=side).transpose(1, 2).flatten(end_dim=1)
    values, vectors = torch.linalg.eigh(patches.T.cov())
    damped = (values.clamp(min=0) + DAMPING * values.sum().clamp(min=1e-6)).rsqrt()
    whitening = vectors * damped @ vectors.T
    rotation = nn.init.orthogonal_(torch.empty(projection.out_channels, patches.shape[1]))
    weight = PATCHES_SIZE * rotation @ whitening
    projection.weight.copy_(weight.view_as(projection.weight))
    projection.bias = nn.Parameter(-weight @ patches.mean(0))
