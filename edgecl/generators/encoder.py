"""What a hypernetwork knows of a task: its embedding, encoded once for all rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecl.generators.output import new_linear


class TaskEncoder(nn.Module):
    """`LayerNorm(Linear(GELU(Linear(e))))` of a task embedding e [E]; the values that a decoder of guidance reads.

    Without an encoder the input of such a decoder would be the embedding itself, and decoding it a copy.
    """

    SIZE = 128

    def __init__(self, task_size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            new_linear(task_size, self.SIZE, generator=generator),
            nn.GELU(),
            new_linear(self.SIZE, self.SIZE, generator=generator),
            nn.LayerNorm(self.SIZE),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the encoded tasks [T, 128] of embeddings [T, E]."""
        encoded: Tensor = self.layers(embeddings)
        return encoded
