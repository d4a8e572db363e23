"""Small hypernetworks, and the sizes of real backbones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecl.generators import (
    GrowingGenerator,
    IntervalConfig,
    IntervalGenerator,
    Network,
    RecurrentConfig,
    RecurrentGenerator,
    RowPlan,
    RowwiseConfig,
    RowwiseGenerator,
    prefix_plan,
)
from edgecl_runtime import Dimensions

SMALL = Dimensions(layers=3, width=16, heads=4, head_dim=4)
VIT_L = Dimensions(layers=24, width=1024, heads=16, head_dim=64)
VIT_B = Dimensions(layers=12, width=768, heads=12, head_dim=64)
DEIT_S = Dimensions(layers=12, width=384, heads=6, head_dim=64)
DEIT_T = Dimensions(layers=12, width=192, heads=3, head_dim=64)
BERT = VIT_B
MINILM_L12 = Dimensions(layers=12, width=384, heads=12, head_dim=32)
MINILM_L6 = Dimensions(layers=6, width=384, heads=12, head_dim=32)

GUIDED = RowwiseConfig(
    task_embedding="vector", task_size=32, layer_size=32, row_size=32, factor=3, encoder=True
)
VECTOR = RowwiseConfig(task_embedding="vector", task_size=32)


def seeded(seed: int = 0) -> torch.Generator:
    """Return a random generator."""
    return torch.Generator().manual_seed(seed)


def make_rowwise(
    config: RowwiseConfig | None = None,
    *,
    dimensions: Dimensions = SMALL,
    plan: RowPlan | None = None,
    seed: int = 0,
) -> RowwiseGenerator:
    """Return a row-wise hypernetwork, of prefixes of length 2 unless a plan is given."""
    plan = plan or prefix_plan(dimensions, length=2)
    return RowwiseGenerator(dimensions, plan, config or RowwiseConfig(), generator=seeded(seed))


def make_recurrent(
    config: RecurrentConfig | None = None,
    *,
    dimensions: Dimensions = SMALL,
    plan: RowPlan | None = None,
    seed: int = 0,
) -> RecurrentGenerator:
    """Return a recurrent hypernetwork, of prefixes of length 2 unless a plan is given."""
    plan = plan or prefix_plan(dimensions, length=2)
    return RecurrentGenerator(dimensions, plan, config or RecurrentConfig(), generator=seeded(seed))


def make_growing(
    config: RecurrentConfig | None = None,
    *,
    dimensions: Dimensions = SMALL,
    plan: RowPlan | None = None,
    seed: int = 0,
) -> GrowingGenerator:
    """Return a growing hypernetwork, of prefixes of length 2 unless a plan is given."""
    plan = plan or prefix_plan(dimensions, length=2)
    return GrowingGenerator(dimensions, plan, config or RecurrentConfig(), generator=seeded(seed))


def make_interval(
    config: IntervalConfig | None = None,
    *,
    dimensions: Dimensions = SMALL,
    plan: RowPlan | None = None,
    seed: int = 0,
) -> IntervalGenerator:
    """Return an interval hypernetwork, of prefixes of length 2 unless a plan is given."""
    plan = plan or prefix_plan(dimensions, length=2)
    return IntervalGenerator(dimensions, plan, config or IntervalConfig(), generator=seeded(seed))


def make_embeddings(network: Network, *, tasks: int, seed: int = 1) -> Tensor:
    """Return the embeddings [T, *E] of new tasks."""
    generator = seeded(seed)
    return torch.stack([network.new_embedding(generator) for _ in range(tasks)])


def count(module: nn.Module | None) -> int:
    """Return how many parameters a module has."""
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())
