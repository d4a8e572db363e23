"""The linear head of a task, trained on centred and scaled features and folded into plain weights at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Mean [D] and overall standard deviation [] of the features of a task's training items, float32.

    With it the head's learning rate means the same on every backbone: features of MiniLM vary by tenths, those of a
    ViT by units, and many share a large constant. One deviation for all features keeps their proportions, so that
    those which hardly vary are not blown up to noise.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def measure(cls, features: Tensor) -> FeatureScale:
        """Return the scale of features [N, D]."""
        mean = features.mean(dim=0)
        return cls(mean, (features - mean).square().mean().sqrt().clamp(min=1e-12))


class Head(nn.Module):
    """Scores `((f - mean) / std) @ weight.T + bias` of pooled features; weight and bias start at zero.

    Attributes:
        weight: [C, D]; `bias` [C].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, scale: FeatureScale, *, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, len(scale.mean)))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", scale.mean)
        self.register_buffer("std", scale.std)

    def rescale(self, scale: FeatureScale) -> None:
        """See features centred and scaled by another measure from now on."""
        self.mean.copy_(scale.mean)
        self.std.copy_(scale.std)

    @torch.no_grad()
    def start_as_a_layer(self, generator: torch.Generator) -> None:
        """Start as PyTorch's linear layers do, uniform within 1 / sqrt(D), and see features as they are."""
        bound = self.weight.shape[1] ** -0.5
        self.weight.uniform_(-bound, bound, generator=generator)
        self.bias.uniform_(-bound, bound, generator=generator)
        self.mean.zero_()
        self.std.fill_(1.0)

    def forward(self, features: Tensor) -> Tensor:
        """Return scores [B, C] of features [B, D]."""
        scaled = (features.float() - self.mean) / self.std
        return scaled @ self.weight.T + self.bias

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weight [C, D] and bias [C] that give the same scores on features as they are."""
        weight = self.weight.detach().double() / self.std.double()
        bias = self.bias.detach().double() - weight @ self.mean.double()
        return weight, bias
