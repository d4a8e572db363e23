"""A hypernetwork whose blocks depend on the blocks before them: an LSTM over the layers of the backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from edgecl.generators.layout import RowPlan
from edgecl.generators.output import RowOutput, Start, new_linear
from edgecl.generators.rowwise import STARTING_TASKS
from edgecl_runtime.manifest import Dimensions

Mode = Literal["regularised", "freeze_recurrent"]


@dataclass(frozen=True, slots=True)
class RecurrentConfig:
    """Sizes and variant of a recurrent hypernetwork.

    Attributes:
        task_size: Entries of a task's embedding.
        layer_size: Entries of a block's embedding.
        row_size: Entries of a row's embedding.
        state_size: Units of the LSTM.
        hidden: Units of the network that turns a state into rows.
        mode: `regularised`: all is trained in every task. `freeze_recurrent`: the weights from state to state are
            trained in the first task only.
        learned_state: Let the state before the first block be a projection of the task's embedding, not zero.
        start: `small`: entries start with the deviation of the plan. `default`: PyTorch's own start.
    """

    task_size: int = 32
    layer_size: int = 32
    row_size: int = 32
    state_size: int = 128
    hidden: int = 256
    mode: Mode = "regularised"
    learned_state: bool = False
    start: Start = "small"


class RecurrentGenerator(nn.Module):
    """`state_l = LSTM([task ; layer_l])`, then `Linear(GELU(Linear([state_l ; row])))` for each row of block l.

    After "Continual Learning with Dependency Preserving Hypernetworks" (Chandra et al. 2023), with the blocks of the
    backbone as the sequence.

    Attributes:
        layer_embedding: [L, layer_size]; `row_embedding` [rows, row_size].
    """

    def __init__(
        self, dimensions: Dimensions, plan: RowPlan, config: RecurrentConfig, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.rows, self.config = plan.rows, config
        self.layer_embedding = nn.Parameter(
            torch.randn(dimensions.layers, config.layer_size, generator=generator)
        )
        self.row_embedding = nn.Parameter(torch.randn(plan.rows, config.row_size, generator=generator))
        self.cell = _new_cell(config.task_size + config.layer_size, config.state_size, generator=generator)
        self.first_state = (
            new_linear(config.task_size, 2 * config.state_size, generator=generator)
            if config.learned_state
            else None
        )
        self.input = new_linear(config.state_size + config.row_size, config.hidden, generator=generator)
        self.output = RowOutput(config.hidden, dimensions.width, plan, generator=generator)
        if config.start == "small":
            self._start_small(generator)

    def new_embedding(self, generator: torch.Generator) -> Tensor:
        """Return a random start of one task's embedding from N(0, 1), [task_size]."""
        return torch.randn(self.config.task_size, generator=generator)

    def encode(self, embeddings: Tensor) -> Tensor:
        """Return what the network sees of tasks: their embeddings [T, task_size]."""
        return embeddings

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the rows [T, L, rows, D] of embeddings [T, task_size]."""
        rows: Tensor = self.output(self.hidden(self.states(embeddings)))
        return rows

    def explore(self, embeddings: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return what `forward` returns: a step of training sees what ships."""
        return self.forward(embeddings)

    def begin_task(self, position: int) -> None:
        """Freeze the weights from state to state after the first task, if the mode says so."""
        is_trained = position == 0 or self.config.mode == "regularised"
        self.cell.weight_hh.requires_grad_(is_trained)
        self.cell.bias_hh.requires_grad_(is_trained)

    def states(self, embeddings: Tensor) -> Tensor:
        """Return the state of the LSTM at every block, [T, L, state_size]."""
        state = self.first_states(embeddings)
        states = []
        for layer in self.layer_embedding:
            inputs = torch.cat((embeddings, layer.expand(len(embeddings), -1)), dim=-1)
            state = self.cell(inputs, state)
            states.append(state[0])
        return torch.stack(states, dim=1)

    def first_states(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Return output and memory of the LSTM before the first block, [T, state_size] both."""
        if self.first_state is None:
            zero = embeddings.new_zeros(len(embeddings), self.config.state_size)
            return zero, zero
        output, memory = self.first_state(embeddings).chunk(2, dim=-1)
        return output, memory

    def hidden(self, states: Tensor) -> Tensor:
        """Return the hidden values of every row, [T, L, rows, hidden], of the states at every block."""
        shape = (*states.shape[:2], self.rows, -1)
        rows = torch.cat((states[:, :, None].expand(shape), self.row_embedding.expand(shape)), dim=-1)
        return torch.nn.functional.gelu(self.input(rows))

    @torch.no_grad()
    def _start_small(self, generator: torch.Generator) -> None:
        samples = [self.new_embedding(generator) for _ in range(STARTING_TASKS)]
        hidden = self.hidden(self.states(torch.stack(samples)))
        self.output.start_small(hidden, generator=generator)


def _new_cell(inputs: int, state_size: int, *, generator: torch.Generator) -> nn.LSTMCell:
    """Return an LSTM that starts as PyTorch's own, but with 1 added to the bias of its forget gate.

    With it a state starts out being kept ("An Empirical Exploration of Recurrent Network Architectures",
    Jozefowicz et al. 2015).
    """
    cell: nn.LSTMCell = nn.utils.skip_init(nn.LSTMCell, inputs, state_size)
    bound = state_size**-0.5
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
        cell.bias_ih[state_size : 2 * state_size] += 1
    return cell
