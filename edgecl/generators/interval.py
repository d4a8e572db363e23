"""Experimental: embeddings that are boxes instead of points, and the box of prefixes that such a box leads to.

After "HINT: Hypernetwork Approach to Training Weight Interval Regions in Continual Learning" (Krukowski et al. 2024),
with intervals through the hypernetwork only: through softmax attention their bounds say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as apply_linear
from torch.nn.functional import relu

from edgecl.generators.layout import RowPlan
from edgecl.generators.output import Start
from edgecl.generators.rowwise import STARTING_TASKS, LayerEmbedding, RowwiseConfig, RowwiseGenerator
from edgecl_runtime.manifest import Dimensions


class Box(NamedTuple):
    """All points within `radius` of `centre` in every coordinate, both [T, E]."""

    centre: Tensor
    radius: Tensor


class Bounds(NamedTuple):
    """Lowest, middle and highest rows, each [T, L, rows, D]; the middle is between the bounds, not of the centre."""

    low: Tensor
    middle: Tensor
    high: Tensor


@dataclass(frozen=True, slots=True)
class IntervalConfig:
    """Sizes and variant of an interval hypernetwork.

    Attributes:
        epsilon: Sum ε of a box's radii over its E coordinates.
        nested: Keep all boxes so close to zero that they have points in common: centre ε/2E cos(e), radius ε/E.
        task_size: Coordinates E of an embedding.
        layer_embedding: As in `RowwiseConfig`.
        factor: The hidden layer has D / factor units.
        start: As in `RowwiseConfig`.
    """

    epsilon: float = 1.0
    nested: bool = False
    task_size: int = 32
    layer_embedding: LayerEmbedding = "first_task"
    factor: int = 4
    start: Start = "small"


class IntervalGenerator(nn.Module):
    """A row-wise network with one vector per task, linear layers and ReLU only, so that bounds pass through it.

    The embedding of a task is [2, E]: where its box is, and how its radius is shared out among the coordinates.
    """

    def __init__(
        self, dimensions: Dimensions, plan: RowPlan, config: IntervalConfig, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.rows, self.config = plan.rows, config
        rowwise = RowwiseConfig(
            task_embedding="vector",
            task_size=config.task_size,
            layer_embedding=config.layer_embedding,
            factor=config.factor,
            start="default",
        )
        self.rowwise = RowwiseGenerator(dimensions, plan, rowwise, generator=generator)
        if config.start == "small":
            samples = torch.stack([self.new_embedding(generator) for _ in range(STARTING_TASKS)])
            self.rowwise.start_small(self.box(samples).centre, generator=generator)

    def new_embedding(self, generator: torch.Generator) -> Tensor:
        """Return a random start of one task's embedding, [2, E]: centres from N(0, 1), radii all alike."""
        centre = torch.randn(self.config.task_size, generator=generator)
        return torch.stack((centre, torch.zeros_like(centre)))

    def box(self, embeddings: Tensor) -> Box:
        """Return the boxes [T, E] of embeddings [T, 2, E]."""
        place, share = embeddings.unbind(dim=1)
        if not self.config.nested:
            return Box(place, self.config.epsilon * share.softmax(dim=-1))
        radius = self.config.epsilon / self.config.task_size
        return Box(radius / 2 * place.cos(), torch.full_like(place, radius))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the rows [T, L, rows, D] at the centres of the boxes of embeddings [T, 2, E]."""
        return self.generate(self.encode(embeddings))

    def encode(self, embeddings: Tensor) -> Tensor:
        """Return what the network sees of tasks [T, 2, E]: the centres of their boxes [T, E]."""
        return self.box(embeddings).centre

    def generate(self, points: Tensor) -> Tensor:
        """Return the rows [T, L, rows, D] of points [T, E]."""
        rows: Tensor = self.rowwise(points)
        return rows

    def bounds(self, embedding: Tensor, radius: Tensor) -> Bounds:
        """Return what the rows of all points within a radius of an embedding, both [T, E], cannot leave.

        Interval bound propagation ("On the Effectiveness of Interval Bound Propagation", Gowal et al. 2018).
        """
        points = self.rowwise.inputs(embedding)
        reach = _embedding_part(radius, points)
        centre, reach = through_linear(self.rowwise.input, points, reach)
        centre, reach = through_relu(centre, reach)
        middle, reach = self.rowwise.output(centre), self.rowwise.output.reach(reach)
        return Bounds(middle - reach, middle, middle + reach)

    def sample(self, embedding: Tensor, radius: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return the rows [T, L, rows, D] of a uniformly random point of each box, `embedding ± radius` [T, E]."""
        offset = torch.rand(embedding.shape, generator=generator).to(embedding) * 2 - 1
        return self.generate(embedding + radius * offset)

    def explore(self, embeddings: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return the rows [T, L, rows, D] of a random point of the box of each embedding [T, 2, E]."""
        box = self.box(embeddings)
        return self.sample(box.centre, box.radius, generator=generator)

    def begin_task(self, position: int) -> None:
        """Freeze the embeddings of blocks and rows after the first task, unless they are trained always."""
        self.rowwise.begin_task(position)


class BoundedRows(nn.Module):
    """The bounds of an interval network as rows of 3 L blocks, for a drift loss that keeps whole boxes.

    As published, lowest, middle and highest rows count alike.
    """

    def __init__(self, network: IntervalGenerator) -> None:
        super().__init__()
        self.network = network

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return lowest, middle and highest rows [T, 3 L, rows, D] of the boxes of embeddings [T, 2, E]."""
        return torch.cat(self.network.bounds(*self.network.box(embeddings)), dim=1)


def through_linear(layer: nn.Linear, centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Return centre and radius [..., outputs] of what a linear layer makes of boxes [..., inputs]."""
    return layer(centre), apply_linear(radius, layer.weight.abs())


def through_relu(centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Return centre and radius, shaped as given, of what ReLU makes of boxes."""
    low, high = relu(centre - radius), relu(centre + radius)
    return (high + low) / 2, (high - low) / 2


def _embedding_part(radius: Tensor, points: Tensor) -> Tensor:
    """Return the radius [T, L, rows, inputs] of the inputs, of which only the last E, the embedding's, vary."""
    *shape, inputs = points.shape
    padded = torch.nn.functional.pad(radius, (inputs - radius.shape[-1], 0))
    return padded[:, None, None].expand(*shape, inputs)
