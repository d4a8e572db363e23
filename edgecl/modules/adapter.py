"""Bottleneck adapters behind the feed-forward net of every block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import TaskTensors


class Adapter(nn.Module):
    """`m + relu(m @ down + down_bias) @ up + up_bias` in each of L blocks; the identity until it is trained.

    Down-projections start Kaiming-uniform with a = sqrt(5), that is U(-1/sqrt(D), 1/sqrt(D)), up-projections and
    biases at zero ("Towards a Unified View of Parameter-Efficient Transfer Learning", He et al. 2022).

    Attributes:
        down: [L, D, R]; `down_bias` [L, R]; `up` [L, R, D]; `up_bias` [L, D]. R may be 0: no adapter, and
            nothing is trained.
    """

    def __init__(self, dimensions: Dimensions, *, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        layers, width = dimensions.layers, dimensions.width
        bound = width**-0.5
        self.down = nn.Parameter((torch.rand(layers, width, rank, generator=generator) * 2 - 1) * bound)
        self.down_bias = nn.Parameter(torch.zeros(layers, rank))
        self.up = nn.Parameter(torch.zeros(layers, rank, width))
        self.up_bias = nn.Parameter(torch.zeros(layers, width))
        self.requires_grad_(rank > 0)  # without units there is no adapter, and no bias of one either

    @torch.no_grad()
    def load(self, task: TaskTensors) -> None:
        """Take over the adapter of a stored task of the same rank."""
        for name in ("down", "down_bias", "up", "up_bias"):
            self.get_parameter(name).copy_(torch.from_numpy(getattr(task, f"adapter_{name}")))

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the adapter's graph inputs with G = 1: [L, 1, D, R], [L, 1, 1, R], [L, 1, R, D], [L, 1, 1, D]."""
        return adapter_inputs(self.down, self.down_bias, self.up, self.up_bias)


def adapter_inputs(down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> dict[str, Tensor]:
    """Return the graph inputs with G = 1 of adapters [L, D, R], [L, R], [L, R, D], [L, D]."""
    return {
        "adapter_down": down[:, None],
        "adapter_down_bias": down_bias[:, None, None],
        "adapter_up": up[:, None],
        "adapter_up_bias": up_bias[:, None, None],
    }
