from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecl.generators import GrowingGenerator, RecurrentConfig, adapter_plan, prefix_plan
from tests.edgecl.generators.factories import (
    DEIT_T,
    SMALL,
    VIT_B,
    make_embeddings,
    make_growing,
    make_recurrent,
    seeded,
)


def train(network: GrowingGenerator, embedding: Tensor, *, position: int) -> Tensor:
    """Let a task that begins at a position pull its rows to random ones, and return its embedding."""
    network.begin_task(position)
    own = nn.Parameter(embedding.clone())
    trained = [own, *(each for each in network.parameters() if each.requires_grad)]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    wanted = torch.randn(3, network.rows, 16, generator=seeded(position))
    for _ in range(5):
        optimizer.zero_grad()
        (network(own[None])[0] - wanted).square().mean().backward()
        optimizer.step()
    return own.detach()


@torch.no_grad()
def rows(network: GrowingGenerator, embedding: Tensor) -> Tensor:
    generated: Tensor = network(embedding[None])
    return generated


def test_training_a_second_task_leaves_what_is_generated_for_the_first_to_the_bit() -> None:
    network = make_growing()
    first, second = make_embeddings(network, tasks=2)
    first = train(network, first, position=0)
    before, start = rows(network, first), rows(network, second)
    second = train(network, second, position=1)
    assert torch.equal(rows(network, first), before)
    assert not torch.allclose(rows(network, second), start, rtol=0.0, atol=1e-3)


def test_the_first_task_trains_what_all_tasks_share() -> None:
    network = make_growing()
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    train(network, make_embeddings(network, tasks=1)[0], position=0)
    assert not any(torch.equal(value, before[name]) for name, value in network.named_parameters())


def test_a_later_task_trains_every_part_of_its_own() -> None:
    network = make_growing()
    start = make_embeddings(network, tasks=1)
    end = train(network, start[0], position=1)[None]
    moved = [
        (new - old).abs().max() > 0 for new, old in zip(network.own(end), network.own(start), strict=True)
    ]
    assert all(moved)


def test_a_task_without_changes_of_its_own_gets_what_the_recurrent_network_generates() -> None:
    config = RecurrentConfig(learned_state=True)
    network, plain = make_growing(config, dimensions=DEIT_T), make_recurrent(config, dimensions=DEIT_T)
    embeddings = make_embeddings(network, tasks=3)
    torch.testing.assert_close(network(embeddings), plain(embeddings[:, :32]), rtol=0.0, atol=1e-6)


@torch.no_grad()
def test_changed_input_weights_act_as_those_of_the_cell() -> None:
    """The same change, once as the task's own and once in the cell that all tasks share."""
    network, plain = make_growing(), make_recurrent()
    embeddings = make_embeddings(network, tasks=1)
    own = network.own(embeddings)
    own.weight.normal_(generator=seeded(1))
    own.bias.normal_(generator=seeded(2))
    plain.cell.weight_ih.add_(own.weight[0])
    plain.cell.bias_ih.add_(own.bias[0])
    torch.testing.assert_close(network(embeddings), plain(own.task), rtol=0.0, atol=1e-5)


@torch.no_grad()
def test_the_change_of_the_output_layer_is_a_product_of_low_rank() -> None:
    network, plain = make_growing(), make_recurrent()
    embeddings = make_embeddings(network, tasks=1)
    own = network.own(embeddings)
    own.up.normal_(generator=seeded(1))
    plain.output.main.weight.add_((own.down[0] @ own.up[0]).T)
    torch.testing.assert_close(network(embeddings), plain(own.task), rtol=0.0, atol=1e-5)


@torch.no_grad()
def test_entries_that_stand_for_nothing_stay_zero() -> None:
    network = make_growing(plan=adapter_plan(SMALL, rank=2))
    embeddings = make_embeddings(network, tasks=1).normal_(generator=seeded(1))
    assert torch.count_nonzero(network(embeddings)[..., -1, 2:]) == 0


def test_a_task_has_as_many_numbers_of_its_own_as_the_formula_says() -> None:
    """The task's vector, input weights and biases of the LSTM, and a change of rank 8 from 256 to D."""
    network = make_growing(dimensions=VIT_B, plan=prefix_plan(VIT_B, length=15))
    assert network.new_embedding(seeded()).numel() == 32 + (32_768 + 512) + 8 * (256 + 768)
