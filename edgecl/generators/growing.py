"""A recurrent hypernetwork that grows with the tasks: what they share is trained in the first one and never again."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as apply_linear

from edgecl.generators.layout import RowPlan
from edgecl.generators.recurrent import RecurrentConfig, RecurrentGenerator
from edgecl_runtime.manifest import Dimensions

RANK = 8


class Growth(NamedTuple):
    """What T tasks have of their own, each with T in front.

    `task` [E]; changes of the LSTM's input weights, `weight` [4 S, E + layer_size] and `bias` [4 S]; and a change of
    the output layer as the product of `down` [hidden, 8] and `up` [8, D].
    """

    task: Tensor
    weight: Tensor
    bias: Tensor
    down: Tensor
    up: Tensor


class GrowingGenerator(nn.Module):
    """A recurrent network with input weights and a low-rank change of the output layer for every task.

    The growing variant of "Continual Learning with Dependency Preserving Hypernetworks" (Chandra et al. 2023). All that
    is a task's own is its embedding, one vector. Changes start at zero, so a task starts from what the first one
    learned, and what is generated for an earlier task stays as it is to the bit.
    """

    def __init__(
        self, dimensions: Dimensions, plan: RowPlan, config: RecurrentConfig, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.rows = plan.rows
        self.shared = RecurrentGenerator(dimensions, plan, config, generator=generator)
        cell = self.shared.cell
        self._shapes: tuple[tuple[int, ...], ...] = (
            (config.task_size,),
            tuple(cell.weight_ih.shape),
            tuple(cell.bias_ih.shape),
            (config.hidden, RANK),
            (RANK, dimensions.width),
        )

    def new_embedding(self, generator: torch.Generator) -> Tensor:
        """Return a random start of all that is one task's own, a vector; what it changes starts at zero."""
        task = self.shared.new_embedding(generator)
        _, weight, bias, down, up = self._shapes
        products = torch.randn(prod(down), generator=generator) * down[0] ** -0.5
        return torch.cat((task, torch.zeros(prod(weight) + prod(bias)), products, torch.zeros(prod(up))))

    def own(self, embeddings: Tensor) -> Growth:
        """Return the parts of embeddings [T, E + ...]."""
        parts = embeddings.split([prod(shape) for shape in self._shapes], dim=-1)
        shaped = (part.unflatten(-1, shape) for part, shape in zip(parts, self._shapes, strict=True))
        return Growth(*shaped)

    def encode(self, embeddings: Tensor) -> Tensor:
        """Return what the network sees of tasks: all that is their own."""
        return embeddings

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the rows [T, L, rows, D] of embeddings [T, E + ...]."""
        own = self.own(embeddings)
        hidden = self.shared.hidden(self._states(own))
        rows: Tensor = self.shared.output(hidden)
        return rows + self.shared.output.only_used(hidden @ own.down[:, None] @ own.up[:, None])

    def explore(self, embeddings: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return what `forward` returns: a step of training sees what ships."""
        return self.forward(embeddings)

    def begin_task(self, position: int) -> None:
        """Freeze all that tasks share after the first one."""
        self.requires_grad_(position == 0)

    def _states(self, own: Growth) -> Tensor:
        """Return the state of the LSTM at every block, [T, L, S]."""
        cell = self.shared.cell
        output, memory = self.shared.first_states(own.task)
        states = []
        for layer in self.shared.layer_embedding:
            inputs = torch.cat((own.task, layer.expand(len(own.task), -1)), dim=-1)
            gates = apply_linear(inputs, cell.weight_ih, cell.bias_ih)
            gates = gates + apply_linear(output, cell.weight_hh, cell.bias_hh)
            gates = gates + (own.weight @ inputs[..., None])[..., 0] + own.bias
            enters, stays, content, leaves = gates.chunk(4, dim=-1)
            memory = stays.sigmoid() * memory + enters.sigmoid() * content.tanh()
            output = leaves.sigmoid() * memory.tanh()
            states.append(output)
        return torch.stack(states, dim=1)
