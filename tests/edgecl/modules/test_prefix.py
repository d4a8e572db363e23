from __future__ import annotations

import torch

from edgecl.modules import Prefix
from tests.edgecl.factories import DIMENSIONS


def make_prefix(*, length: int = 3, seed: int = 0) -> Prefix:
    return Prefix(DIMENSIONS, length=length, generator=torch.Generator().manual_seed(seed))


def test_parameters_are_as_many_as_the_formula_says() -> None:
    """2 L P d."""
    assert sum(parameter.numel() for parameter in make_prefix(length=3).parameters()) == 2 * 2 * 3 * 64


def test_keys_and_values_start_different_and_small() -> None:
    prefix = make_prefix(length=50)
    assert not torch.equal(prefix.key, prefix.value)
    assert abs(float(prefix.key.detach().std()) - 0.02) < 0.001
    assert abs(float(prefix.value.detach().std()) - 0.02) < 0.001


def test_the_graph_inputs_have_the_shapes_of_the_graph_and_are_switched_on() -> None:
    inputs = make_prefix(length=5).graph_inputs()
    assert {name: tensor.shape for name, tensor in inputs.items()} == {
        "prefix_k": (2, 1, 4, 5, 16),
        "prefix_v": (2, 1, 4, 5, 16),
        "prefix_bias": (1, 1, 1, 5),
    }
    assert torch.count_nonzero(inputs["prefix_bias"]) == 0


def test_the_start_comes_from_the_generator_alone() -> None:
    assert torch.equal(make_prefix(seed=1).key, make_prefix(seed=1).key)
    assert not torch.equal(make_prefix(seed=1).key, make_prefix(seed=2).key)


def test_a_length_of_zero_has_no_parameters() -> None:
    assert sum(parameter.numel() for parameter in make_prefix(length=0).parameters()) == 0
