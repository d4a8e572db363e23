from __future__ import annotations

import pytest
import torch

from edgecl.modules import Prefix, PrefixNet
from tests.edgecl.factories import DIMENSIONS, FAMILY_NAMES, make_injected, make_inputs, make_task


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


def make_net(*, length: int = 3, seed: int = 0) -> PrefixNet:
    return PrefixNet(DIMENSIONS, length=length, hidden=20, generator=torch.Generator().manual_seed(seed))


def make_additive(hidden: int) -> Prefix | PrefixNet:
    random = torch.Generator().manual_seed(0)
    if hidden:
        return PrefixNet(DIMENSIONS, length=5, hidden=hidden, generator=random, attention="additive")
    return Prefix(DIMENSIONS, length=5, generator=random, attention="additive")


@pytest.mark.parametrize("hidden", [0, 20])
@pytest.mark.parametrize("family", FAMILY_NAMES)
@torch.no_grad()
def test_prefixes_of_additive_attention_start_as_the_identity_to_rounding(family: str, hidden: int) -> None:
    prefix = make_additive(hidden).graph_inputs()
    backbone, inputs = make_injected(family), make_inputs(family)
    backbone.use_attention("additive")
    bare = make_task(prefix_length=0, rank=0)
    bare["adapter_up_bias"].zero_()
    torch.testing.assert_close(backbone(inputs, bare | prefix), backbone(inputs, bare), rtol=0.0, atol=2e-6)


def test_values_of_a_net_receive_gradients_where_they_start_at_zero() -> None:
    net = make_additive(20)
    net.graph_inputs()["prefix_v"].sum().backward()
    gradient = net.get_parameter("output.weight").grad
    assert gradient is not None
    assert torch.count_nonzero(gradient) > 0


def test_a_net_makes_prefixes_of_the_deviation_of_free_ones() -> None:
    inputs = {name: tensor.detach() for name, tensor in make_net(length=50).graph_inputs().items()}
    assert float(inputs["prefix_k"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(inputs["prefix_v"].std()) == pytest.approx(0.02, rel=0.1)


def test_a_prefix_of_a_net_is_made_of_its_own_vector_alone() -> None:
    """Token 1, written out: keys before values, block by block, head by head."""
    net = make_net()
    hidden = torch.relu(net.input(net.vectors[1]))
    made = net.output(hidden).reshape(2, 2, 4, 16)
    inputs = net.graph_inputs()
    torch.testing.assert_close(inputs["prefix_k"][:, 0, :, 1], made[:, 0], rtol=0.0, atol=1e-6)
    torch.testing.assert_close(inputs["prefix_v"][:, 0, :, 1], made[:, 1], rtol=0.0, atol=1e-6)


def test_the_start_of_a_net_comes_from_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    assert torch.equal(make_net(seed=1).vectors, make_net(seed=1).vectors)
    assert not torch.equal(make_net(seed=1).vectors, make_net(seed=2).vectors)
    assert torch.equal(torch.random.get_rng_state(), state)
