"""The seam between methods and the networks that generate prefixes or adapters."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Generator(Protocol):
    """An `nn.Module` that turns one embedding per task into the rows of all L blocks, each row as wide as the backbone.

    The network is shared by all tasks; an embedding belongs to one task and is trained only while its task is.

    Attributes:
        rows: How many rows are generated for a block.
    """

    rows: int

    def new_embedding(self, generator: torch.Generator) -> Tensor:
        """Return a random start of one task's embedding, [*E], float32; E depends on the network."""
        ...

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the rows of T tasks, [T, L, rows, D], from their embeddings [T, *E]."""
        ...

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return what `forward` returns."""
        ...

    def explore(self, embeddings: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return the rows of T tasks, [T, L, rows, D], as a step of training sees them; what ships is `forward`."""
        ...

    def begin_task(self, position: int) -> None:
        """Freeze what is trained in the first task only.

        Args:
            position: Where the task stands in the stream, counted from 0.
        """
        ...
