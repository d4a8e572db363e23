"""Linear layers that start from a generator of ours, and the last layer of every hypernetwork."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as apply_linear

from edgecl.generators.layout import RowPlan

Start = Literal["small", "default"]


def new_linear(inputs: int, outputs: int, *, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer that starts as PyTorch's own do, U(-1/sqrt(inputs), 1/sqrt(inputs)), biases too."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = inputs**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class RowOutput(nn.Module):
    """Turns the hidden values of every row, [..., rows, H], into the row, [..., rows, D].

    Rows that must start at zero have a layer of their own: zero weights in a shared one would silence all rows.
    """

    is_used: Tensor

    def __init__(self, hidden: int, width: int, plan: RowPlan, *, generator: torch.Generator) -> None:
        super().__init__()
        self.plan = plan
        self.main = new_linear(hidden, width, generator=generator)
        self.zero_started = _zero_linear(hidden, width) if plan.zero_rows else None
        is_used = torch.ones(plan.zero_rows, width)
        is_used[-1:, width - plan.unused :] = 0
        self.register_buffer("is_used", is_used, persistent=False)

    @torch.no_grad()
    def start_small(self, hidden: Tensor, *, generator: torch.Generator) -> None:
        """Start the main layer so that its entries have the standard deviation of the plan.

        The variance of what a hypernetwork generates is set at its output layer (Chang et al. 2020). Weights are
        N(0, std² / (H E[h²])), biases zero, with E[h²] measured; for ReLU after PyTorch's own start and standard
        normal inputs it is 1/6.

        Args:
            hidden: Hidden values [..., rows, H] of some random tasks.
            generator: Where the weights come from.
        """
        energy = self._main_part(hidden).square().mean() * hidden.shape[-1]
        self.main.weight.normal_(generator=generator).mul_(self.plan.std * energy.rsqrt())
        self.main.bias.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """Return rows [..., rows, D] of hidden values [..., rows, H]."""
        main: Tensor = self.main(self._main_part(hidden))
        if self.zero_started is None:
            return main
        return torch.cat((main, self.zero_started(self._zero_part(hidden)) * self.is_used), dim=-2)

    def only_used(self, rows: Tensor) -> Tensor:
        """Return rows [..., rows, D] with zeros where entries stand for nothing."""
        return torch.cat((self._main_part(rows), self._zero_part(rows) * self.is_used), dim=-2)

    def reach(self, radius: Tensor) -> Tensor:
        """Return how far rows move at most, [..., rows, D], when hidden values move by a radius [..., rows, H]."""
        main = apply_linear(self._main_part(radius), self.main.weight.abs())
        if self.zero_started is None:
            return main
        zero_started = apply_linear(self._zero_part(radius), self.zero_started.weight.abs())
        return torch.cat((main, zero_started * self.is_used), dim=-2)

    def _main_part(self, hidden: Tensor) -> Tensor:
        return hidden[..., : self.plan.rows - self.plan.zero_rows, :]

    def _zero_part(self, hidden: Tensor) -> Tensor:
        return hidden[..., self.plan.rows - self.plan.zero_rows :, :]


def _zero_linear(inputs: int, outputs: int) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
