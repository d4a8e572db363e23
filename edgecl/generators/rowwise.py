"""The hypernetwork of AdaPrefix++: every row of every block on its own, by one small shared network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from edgecl.errors import ConfigError
from edgecl.generators.encoder import TaskEncoder
from edgecl.generators.layout import RowPlan
from edgecl.generators.output import RowOutput, Start, new_linear
from edgecl_runtime.manifest import Dimensions

TaskEmbedding = Literal["row", "vector"]
LayerEmbedding = Literal["first_task", "always", "onehot", "random"]

STARTING_TASKS = 16


@dataclass(frozen=True, slots=True)
class RowwiseConfig:
    """Sizes and variant of a row-wise hypernetwork; the sizes are those of the published AdaPrefix++.

    Attributes:
        task_embedding: `row`: a task has an embedding for each of its rows, as published. `vector`: it has one, and a
            learned embedding tells the rows apart; guidance needs this.
        task_size: Entries of a task's embedding, per row or in all; 32 is usual for `vector`.
        layer_embedding: Trained in the first task and then frozen, trained always, or never: a one-hot code of the
            block, or as it was drawn. The embedding of rows goes with it, and is trained in the first task beside
            what is never trained.
        layer_size: Entries of a block's embedding.
        row_size: Entries of a row's embedding, used by `vector` alone.
        factor: The hidden layer has D / factor units.
        start: `small`: entries start with the deviation of the plan. `default`: PyTorch's own start, as published.
        encoder: Encode the task vector first; the activation is then GELU instead of ReLU.
    """

    task_embedding: TaskEmbedding = "row"
    task_size: int = 64
    layer_embedding: LayerEmbedding = "first_task"
    layer_size: int = 64
    row_size: int = 64
    factor: int = 4
    start: Start = "small"
    encoder: bool = False

    def check(self, dimensions: Dimensions) -> None:
        """Refuse what cannot be built for a backbone.

        Raises:
            ConfigError: One-hot codes are too short for the blocks, the hidden layer has no unit, or an encoder is
                asked for without a vector to encode.
        """
        if self.layer_embedding == "onehot" and self.layer_size < dimensions.layers:
            raise ConfigError.at(
                "generator.layer_embedding",
                found=f"onehot, with {self.layer_size} places",
                expected=f"{dimensions.layers} or more, a place for each block",
                fix="Set generator.layer_embedding=first_task: then it is learned.",
            )
        if not 1 <= self.factor <= dimensions.width:
            raise ConfigError.at(
                "factor",
                found=str(self.factor),
                expected=f"1 to {dimensions.width}, the width of the backbone",
                fix="Choose a divisor of the width.",
            )
        if self.encoder and self.task_embedding != "vector":
            raise ConfigError.at(
                "encoder",
                found=f"task_embedding {self.task_embedding!r}",
                expected="'vector'",
                fix="Encode vectors only.",
            )


class RowwiseGenerator(nn.Module):
    """`Linear(ReLU(Linear([layer ; row ; task])))`, applied to each row.

    The hypernetwork of AdaPrefix++ (openreview.net/forum?id=qb3PjYY4gd), and variants of it.

    Attributes:
        layer_embedding: [L, rows, layer_size] for embeddings by row, else [L, 1, layer_size].
        row_embedding: [rows, row_size], or None for embeddings by row.
    """

    layer_embedding: Tensor

    def __init__(
        self, dimensions: Dimensions, plan: RowPlan, config: RowwiseConfig, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        config.check(dimensions)
        self.rows, self.config = plan.rows, config
        is_vector = config.task_embedding == "vector"
        if config.layer_embedding == "onehot":
            self.register_buffer("layer_embedding", torch.eye(config.layer_size)[: dimensions.layers, None])
        else:
            shape = (dimensions.layers, 1 if is_vector else plan.rows, config.layer_size)
            drawn = torch.randn(shape, generator=generator)
            if config.layer_embedding == "random":
                self.register_buffer("layer_embedding", drawn)
            else:
                self.layer_embedding = nn.Parameter(drawn)
        rows = torch.randn(plan.rows, config.row_size, generator=generator) if is_vector else None
        self.row_embedding = None if rows is None else nn.Parameter(rows)
        self.encoder = TaskEncoder(config.task_size, generator=generator) if config.encoder else None
        task = TaskEncoder.SIZE if config.encoder else config.task_size
        inputs = config.layer_size + task + (config.row_size if is_vector else 0)
        hidden = dimensions.width // config.factor
        self.input = new_linear(inputs, hidden, generator=generator)
        self.activation = nn.GELU() if config.encoder else nn.ReLU()
        self.output = RowOutput(hidden, dimensions.width, plan, generator=generator)
        if config.start == "small":
            samples = [self.new_embedding(generator) for _ in range(STARTING_TASKS)]
            self.start_small(torch.stack(samples), generator=generator)

    def new_embedding(self, generator: torch.Generator) -> Tensor:
        """Return a random start of one task's embedding from N(0, 1), [rows, task_size] or [task_size]."""
        is_vector = self.config.task_embedding == "vector"
        shape = (self.config.task_size,) if is_vector else (self.rows, self.config.task_size)
        return torch.randn(shape, generator=generator)

    @torch.no_grad()
    def start_small(self, embeddings: Tensor, *, generator: torch.Generator) -> None:
        """Start the output layer again so that tasks like these, [T, *E], get entries of the plan's deviation."""
        hidden = self.activation(self.input(self.inputs(embeddings)))
        self.output.start_small(hidden, generator=generator)

    def encode(self, embeddings: Tensor) -> Tensor:
        """Return what the network sees of tasks: their embeddings [T, *E], or these encoded, [T, 128]."""
        if self.encoder is None:
            return embeddings
        encoded: Tensor = self.encoder(embeddings)
        return encoded

    def inputs(self, embeddings: Tensor) -> Tensor:
        """Return what the first layer takes, [T, L, rows, inputs], of embeddings [T, *E]."""
        tasks = self.encode(embeddings)[:, None]
        parts = [self.layer_embedding, tasks]
        if self.row_embedding is not None:
            parts = [self.layer_embedding, self.row_embedding, tasks[:, None]]
        shape = (len(embeddings), len(self.layer_embedding), self.rows, -1)
        return torch.cat([part.expand(shape) for part in parts], dim=-1)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the rows [T, L, rows, D] of embeddings [T, *E]."""
        rows: Tensor = self.output(self.activation(self.input(self.inputs(embeddings))))
        return rows

    def explore(self, embeddings: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return what `forward` returns: a step of training sees what ships."""
        return self.forward(embeddings)

    def begin_task(self, position: int) -> None:
        """Freeze the embeddings of blocks and rows after the first task, unless they are trained always."""
        is_trained = position == 0 or self.config.layer_embedding == "always"
        for table in (self.layer_embedding, self.row_embedding):
            if isinstance(table, nn.Parameter):
                table.requires_grad_(is_trained)
