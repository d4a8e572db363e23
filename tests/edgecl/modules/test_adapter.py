from __future__ import annotations

import pytest
import torch

from edgecl.modules import Adapter
from edgecl_runtime import Dimensions
from edgecl_runtime.tensors import graph_shapes
from tests.edgecl.factories import DIMENSIONS, FAMILY_NAMES, make_injected, make_inputs, make_task


def make_adapter(*, dimensions: Dimensions = DIMENSIONS, rank: int = 2, seed: int = 0) -> Adapter:
    return Adapter(dimensions, rank=rank, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", FAMILY_NAMES)
@torch.no_grad()
def test_an_untrained_adapter_is_the_identity_to_the_bit(family: str) -> None:
    backbone, inputs, prefix = make_injected(family), make_inputs(family), make_task(rank=0)
    prefix["adapter_up_bias"].zero_()
    with_adapter = prefix | make_adapter(rank=8).graph_inputs()
    assert torch.equal(backbone(inputs, with_adapter), backbone(inputs, prefix))


@pytest.mark.parametrize(
    ("layers", "width", "rank", "count"),
    [(2, 64, 2, 2 * (2 * 64 * 2 + 2 + 64)), (2, 768, 8, 2 * (2 * 768 * 8 + 8 + 768))],
)
def test_parameters_are_as_many_as_the_formula_says(layers: int, width: int, rank: int, count: int) -> None:
    """L (2 d b + b + d)."""
    dimensions = Dimensions(layers=layers, width=width, heads=4, head_dim=width // 4)
    adapter = make_adapter(dimensions=dimensions, rank=rank)
    assert sum(parameter.numel() for parameter in adapter.parameters()) == count


def test_the_start_of_the_down_projection_is_uniform_within_its_bound() -> None:
    down = make_adapter(rank=64).down.detach()
    assert down.abs().max() <= 0.125
    assert abs(float(down.std()) - 0.125 / 3**0.5) < 0.003


def test_the_graph_inputs_have_the_shapes_of_the_graph() -> None:
    inputs = make_adapter(rank=5).graph_inputs()
    assert {name: tensor.shape for name, tensor in inputs.items()} == {
        "adapter_down": (2, 1, 64, 5),
        "adapter_down_bias": (2, 1, 1, 5),
        "adapter_up": (2, 1, 5, 64),
        "adapter_up_bias": (2, 1, 1, 64),
    }
    assert set(inputs) < set(graph_shapes(DIMENSIONS))


def test_the_start_comes_from_the_generator_alone() -> None:
    assert torch.equal(make_adapter(seed=1).down, make_adapter(seed=1).down)
    assert not torch.equal(make_adapter(seed=1).down, make_adapter(seed=2).down)


def test_a_rank_of_zero_leaves_a_bias_that_starts_at_zero() -> None:
    adapter = make_adapter(rank=0)
    assert (adapter.down.numel(), adapter.up.numel()) == (0, 0)
    assert torch.count_nonzero(adapter.up_bias) == 0
