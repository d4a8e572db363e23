"""The linear head of a task, trained on standardised features and folded into plain weights at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

LEAST_STD = 1e-3  # relative to the mean deviation: a feature that hardly varies is not blown up


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Mean and standard deviation of the bare backbone's features over a task's training items, each [D] float32.

    With it the head's learning rate means the same on every backbone: features of MiniLM vary by hundredths, those
    of a ViT by units, and many share a large constant.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def measure(cls, features: Tensor) -> FeatureScale:
        """Return the scale of features [N, D]."""
        std = features.std(dim=0, correction=0)
        return cls(features.mean(dim=0), std.clamp(min=LEAST_STD * float(std.mean()) + 1e-12))


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

    def forward(self, features: Tensor) -> Tensor:
        """Return scores [B, C] of features [B, D]."""
        standardised = (features.float() - self.mean) / self.std
        return standardised @ self.weight.T + self.bias

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weight [C, D] and bias [C] that give the same scores on features as they are."""
        weight = self.weight.detach().double() / self.std.double()
        bias = self.bias.detach().double() - weight @ self.mean.double()
        return weight, bias
