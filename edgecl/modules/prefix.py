"""Prefixes: extra keys and values in front of every block's own."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from edgecl.kinds import AttentionVariant
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import TaskTensors

INITIAL_STD = 0.02


class Prefix(nn.Module):
    """Free key and value prefixes of L blocks, started from N(0, 0.02) as in the authors' AdaPrefix.

    For additive attention values start at zero and keys from N(0, 1): so the start is the identity to rounding, and
    the values get a gradient that tells the prefixes apart.

    Attributes:
        key: [L, H, P, Dh]; `value` likewise. P may be 0: no prefix.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        *,
        length: int,
        generator: torch.Generator,
        attention: AttentionVariant = "concat",
    ) -> None:
        super().__init__()
        shape = (dimensions.layers, dimensions.heads, length, dimensions.head_dim)
        key, value = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
        is_additive = attention == "additive"
        self.key = nn.Parameter(key if is_additive else key * INITIAL_STD)
        self.value = nn.Parameter(torch.zeros(shape) if is_additive else value * INITIAL_STD)
        self.requires_grad_(length > 0)

    @torch.no_grad()
    def load(self, task: TaskTensors) -> None:
        """Take over the prefixes of a stored task of the same length."""
        self.key.copy_(torch.from_numpy(task.prefix_k))
        self.value.copy_(torch.from_numpy(task.prefix_v))

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the prefix's graph inputs with G = 1: twice [L, 1, H, P, Dh], and the bias [1, 1, 1, P] of zeros."""
        return prefix_inputs(self.key, self.value)


class PrefixNet(nn.Module):
    """Prefixes that a small net of the task's own makes of P learned vectors, `Linear(ReLU(Linear(vectors)))`.

    The optional net of the authors' AdaPrefix: all its tensors start from N(0, 0.02). For additive attention the part
    of the last layer that makes values starts at zero, so the start is the identity to rounding. What is stored are
    the prefixes alone, as many as without a net.

    Attributes:
        vectors: [P, D].
    """

    def __init__(
        self,
        dimensions: Dimensions,
        *,
        length: int,
        hidden: int,
        generator: torch.Generator,
        attention: AttentionVariant = "concat",
    ) -> None:
        super().__init__()
        self._shape = (dimensions.layers, 2, dimensions.heads, dimensions.head_dim)
        self.vectors = nn.Parameter(torch.empty(length, dimensions.width))
        self.input: nn.Linear = nn.utils.skip_init(nn.Linear, dimensions.width, hidden)
        self.output: nn.Linear = nn.utils.skip_init(nn.Linear, hidden, prod(self._shape))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(std=INITIAL_STD, generator=generator)
            if attention == "additive":
                for parameter in self.output.parameters():
                    parameter.unflatten(0, self._shape)[:, 1].zero_()

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the prefix's graph inputs with G = 1: twice [L, 1, H, P, Dh], and the bias [1, 1, 1, P] of zeros."""
        made: Tensor = self.output(torch.relu(self.input(self.vectors)))
        key, value = made.unflatten(-1, self._shape).permute(2, 1, 3, 0, 4)
        return prefix_inputs(key, value)


def prefix_inputs(key: Tensor, value: Tensor) -> dict[str, Tensor]:
    """Return the graph inputs with G = 1 of prefixes [L, H, P, Dh], switched on."""
    return {
        "prefix_k": key[:, None],
        "prefix_v": value[:, None],
        "prefix_bias": key.new_zeros(1, 1, 1, key.shape[2]),
    }
