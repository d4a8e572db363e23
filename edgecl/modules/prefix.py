"""Prefixes: extra keys and values in front of every block's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecl_runtime.manifest import Dimensions

INITIAL_STD = 0.02


class Prefix(nn.Module):
    """Free key and value prefixes of L blocks, started from N(0, 0.02) as in the authors' AdaPrefix.

    Attributes:
        key: [L, H, P, Dh]; `value` likewise. P may be 0: no prefix.
    """

    def __init__(self, dimensions: Dimensions, *, length: int, generator: torch.Generator) -> None:
        super().__init__()
        shape = (dimensions.layers, dimensions.heads, length, dimensions.head_dim)
        self.key = nn.Parameter(torch.randn(shape, generator=generator) * INITIAL_STD)
        self.value = nn.Parameter(torch.randn(shape, generator=generator) * INITIAL_STD)

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the prefix's graph inputs with G = 1: twice [L, 1, H, P, Dh], and the bias [1, 1, 1, P] of zeros."""
        return {
            "prefix_k": self.key[:, None],
            "prefix_v": self.value[:, None],
            "prefix_bias": self.key.new_zeros(1, 1, 1, self.key.shape[2]),
        }
