"""How all hypernetworks start."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from edgecl.generators import (
    IntervalConfig,
    Network,
    RecurrentConfig,
    RowwiseConfig,
    adapter_from_rows,
    adapter_plan,
    prefix_from_rows,
    prefix_plan,
    rows_from_adapter,
)
from edgecl.modules import adapter_inputs, prefix_inputs
from edgecl_runtime import Dimensions
from tests.edgecl.factories import DIMENSIONS, FAMILY_NAMES, make_injected, make_inputs, make_task
from tests.edgecl.generators.factories import (
    BERT,
    DEIT_S,
    DEIT_T,
    GUIDED,
    MINILM_L6,
    SMALL,
    VECTOR,
    VIT_L,
    make_embeddings,
    make_growing,
    make_interval,
    make_recurrent,
    make_rowwise,
    seeded,
)

MAKERS = [make_rowwise, make_recurrent, make_growing, make_interval]
EVERY = pytest.mark.parametrize("make", MAKERS)
Make = Callable[..., Network]


@torch.no_grad()
def deviation(network: Network) -> float:
    return float(network(make_embeddings(network, tasks=4)).std())


def randomise(network: Network) -> None:
    for value in network.state_dict().values():
        value.normal_(generator=seeded())


@pytest.mark.parametrize("dimensions", [VIT_L, BERT, DEIT_S, DEIT_T])
def test_published_prefixes_start_with_a_deviation_of_two_hundredths(dimensions: Dimensions) -> None:
    assert deviation(make_rowwise(dimensions=dimensions)) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("config", [VECTOR, GUIDED, RowwiseConfig(layer_embedding="onehot")])
def test_variants_of_it_start_alike(config: RowwiseConfig) -> None:
    assert deviation(make_rowwise(config, dimensions=MINILM_L6)) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("is_learned", [False, True])
def test_recurrent_prefixes_start_alike(is_learned: bool) -> None:
    config = RecurrentConfig(learned_state=is_learned)
    assert deviation(make_recurrent(config, dimensions=MINILM_L6)) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("is_nested", [False, True])
def test_interval_prefixes_start_alike(is_nested: bool) -> None:
    config = IntervalConfig(nested=is_nested)
    assert deviation(make_interval(config, dimensions=MINILM_L6)) == pytest.approx(0.02, rel=0.1)


def test_the_small_start_of_published_prefixes_is_the_formula() -> None:
    """0.02 sqrt(6 / H): the mean square of the hidden values is about 1/6."""
    weight = make_rowwise(dimensions=BERT).output.main.weight.detach()
    assert float(weight.std()) == pytest.approx(0.02 * (6 / 192) ** 0.5, rel=0.05)


def test_the_default_start_is_as_wide_as_that_of_the_published_code() -> None:
    found = deviation(make_rowwise(RowwiseConfig(start="default"), dimensions=BERT))
    assert found == pytest.approx(0.24, rel=0.1)


@pytest.mark.parametrize(
    "network",
    [
        make_recurrent(RecurrentConfig(start="default")),
        make_interval(IntervalConfig(start="default")),
    ],
)
def test_the_default_start_is_wider_for_every_network(network: Network) -> None:
    assert deviation(network) > 0.05


@EVERY
@pytest.mark.parametrize("family", FAMILY_NAMES)
@torch.no_grad()
def test_generated_adapters_start_as_the_identity_to_the_bit(make: Make, family: str) -> None:
    network = make(dimensions=DIMENSIONS, plan=adapter_plan(DIMENSIONS, rank=8))
    (rows,) = network(make_embeddings(network, tasks=1))
    backbone, inputs, prefix = make_injected(family), make_inputs(family), make_task(rank=0)
    prefix["adapter_up_bias"].zero_()
    with_adapter = prefix | adapter_inputs(*adapter_from_rows(rows))
    assert torch.equal(backbone(inputs, with_adapter), backbone(inputs, prefix))


@EVERY
@pytest.mark.parametrize("family", FAMILY_NAMES)
@torch.no_grad()
def test_generated_prefixes_of_additive_attention_start_as_the_identity_to_rounding(
    make: Make, family: str
) -> None:
    network = make(dimensions=DIMENSIONS, plan=prefix_plan(DIMENSIONS, length=5, attention="additive"))
    (rows,) = network(make_embeddings(network, tasks=1))
    backbone, inputs, bare = make_injected(family), make_inputs(family), make_task(prefix_length=0, rank=0)
    backbone.use_attention("additive")
    bare["adapter_up_bias"].zero_()
    with_prefix = bare | prefix_inputs(*prefix_from_rows(rows, DIMENSIONS))
    torch.testing.assert_close(backbone(inputs, with_prefix), backbone(inputs, bare), rtol=0.0, atol=2e-6)


@EVERY
@torch.no_grad()
def test_generated_adapters_start_as_wide_as_free_ones(make: Make) -> None:
    network = make(dimensions=DEIT_T, plan=adapter_plan(DEIT_T, rank=16))
    down = adapter_from_rows(network(make_embeddings(network, tasks=4))).down
    assert float(down.std()) == pytest.approx((3 * 192) ** -0.5, rel=0.1)


@EVERY
def test_rows_that_start_at_zero_receive_gradients(make: Make) -> None:
    network = make(plan=adapter_plan(SMALL, rank=2))
    adapter = adapter_from_rows(network(make_embeddings(network, tasks=1)))
    adapter.up.sum().backward()
    weight = dict(network.named_parameters())
    (gradient,) = [value.grad for name, value in weight.items() if name.endswith("zero_started.weight")]
    assert gradient is not None
    assert torch.count_nonzero(gradient) > 0


@EVERY
@torch.no_grad()
def test_rows_of_adapters_are_what_their_tensors_give_back(make: Make) -> None:
    network = make(plan=adapter_plan(SMALL, rank=2))
    randomise(network)
    rows = network(make_embeddings(network, tasks=2))
    assert torch.count_nonzero(rows[:, :, -1, :2]) > 0
    assert torch.equal(rows_from_adapter(adapter_from_rows(rows)), rows)


@EVERY
def test_the_start_comes_from_the_generator_alone(make: Make) -> None:
    state = torch.random.get_rng_state()
    first, again, other = make(seed=1), make(seed=1), make(seed=2)
    embeddings = make_embeddings(first, tasks=2)
    assert torch.equal(first(embeddings), again(embeddings))
    assert not torch.equal(first(embeddings), other(embeddings))
    assert torch.equal(torch.random.get_rng_state(), state)


@EVERY
def test_embeddings_come_from_the_generator_alone(make: Make) -> None:
    network = make()
    assert torch.equal(network.new_embedding(seeded(1)), network.new_embedding(seeded(1)))
    assert not torch.equal(network.new_embedding(seeded(1)), network.new_embedding(seeded(2)))


@EVERY
def test_rows_have_the_shape_of_the_contract(make: Make) -> None:
    network = make()
    assert network(make_embeddings(network, tasks=5)).shape == (5, 3, network.rows, 16)


@EVERY
def test_many_tasks_in_one_call_give_what_each_gives_alone(make: Make) -> None:
    network = make()
    embeddings = make_embeddings(network, tasks=3)
    alone = torch.cat([network(embeddings[task : task + 1]) for task in range(3)])
    torch.testing.assert_close(network(embeddings), alone, rtol=0.0, atol=1e-6)


@EVERY
def test_no_task_gives_no_rows(make: Make) -> None:
    network = make()
    assert network(make_embeddings(network, tasks=1)[:0]).shape == (0, 3, network.rows, 16)


@EVERY
def test_every_task_gets_rows_of_its_own(make: Make) -> None:
    network = make()
    first, second = network(make_embeddings(network, tasks=2))
    assert not torch.allclose(first, second, rtol=0.0, atol=1e-4)
