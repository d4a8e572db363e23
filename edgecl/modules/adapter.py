"""Bottleneck adapters behind the feed-forward net of every block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecl_runtime.manifest import Dimensions


class Adapter(nn.Module):
    """`m + relu(m @ down + down_bias) @ up + up_bias` in each of L blocks; the identity until it is trained.

    Down-projections start Kaiming-uniform with a = sqrt(5), that is U(-1/sqrt(D), 1/sqrt(D)), up-projections and
    biases at zero ("Towards a Unified View of Parameter-Efficient Transfer Learning", He et al. 2022).

    Attributes:
        down: [L, D, R]; `down_bias` [L, R]; `up` [L, R, D]; `up_bias` [L, D]. R may be 0: no adapter.
    """

    def __init__(self, dimensions: Dimensions, *, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        layers, width = dimensions.layers, dimensions.width
        bound = width**-0.5
        self.down = nn.Parameter((torch.rand(layers, width, rank, generator=generator) * 2 - 1) * bound)
        self.down_bias = nn.Parameter(torch.zeros(layers, rank))
        self.up = nn.Parameter(torch.zeros(layers, rank, width))
        self.up_bias = nn.Parameter(torch.zeros(layers, width))

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the adapter's graph inputs with G = 1: [L, 1, D, R], [L, 1, 1, R], [L, 1, R, D], [L, 1, 1, D]."""
        return {
            "adapter_down": self.down[:, None],
            "adapter_down_bias": self.down_bias[:, None, None],
            "adapter_up": self.up[:, None],
            "adapter_up_bias": self.up_bias[:, None, None],
        }
