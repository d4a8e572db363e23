from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from edgecl.generators import RecurrentConfig, prefix_plan
from edgecl.generators.recurrent import Mode
from tests.edgecl.generators.factories import VIT_B, count, make_embeddings, make_recurrent


def test_it_has_as_many_parameters_as_the_formula_says() -> None:
    config = RecurrentConfig(learned_state=True)
    network = make_recurrent(config, dimensions=VIT_B, plan=prefix_plan(VIT_B, length=15))
    assert count(network.cell) == 99_328
    assert (count(network.input), count(network.output)) == (41_216, 197_376)
    assert network.layer_embedding.numel() + network.row_embedding.numel() == 1_344
    assert count(network.first_state) == 8_448


@torch.no_grad()
def test_a_layer_acts_on_itself_and_on_later_layers_only() -> None:
    network = make_recurrent()
    embeddings = make_embeddings(network, tasks=2)
    before = network(embeddings)
    network.layer_embedding[1] += 1
    after = network(embeddings)
    assert torch.equal(after[:, 0], before[:, 0])
    assert not torch.equal(after[:, 1], before[:, 1])
    assert not torch.equal(after[:, 2], before[:, 2])


@torch.no_grad()
def test_the_order_of_the_layers_matters() -> None:
    network = make_recurrent()
    embeddings = make_embeddings(network, tasks=2)
    before = network(embeddings)
    network.layer_embedding.copy_(network.layer_embedding.flip(0))
    assert not torch.allclose(network(embeddings).flip(1), before, rtol=0.0, atol=1e-5)


def test_the_states_are_those_of_an_lstm_over_the_layers() -> None:
    network = make_recurrent()
    embeddings = make_embeddings(network, tasks=2)
    reference = nn.LSTM(64, 128, batch_first=True)
    reference.load_state_dict({f"{name}_l0": value for name, value in network.cell.state_dict().items()})
    tasks, layers = embeddings[:, None].expand(-1, 3, -1), network.layer_embedding.expand(2, -1, -1)
    expected, _ = reference(torch.cat((tasks, layers), dim=-1))
    torch.testing.assert_close(network.states(embeddings), expected, rtol=0.0, atol=1e-6)


def test_a_state_starts_out_being_kept() -> None:
    cell = make_recurrent().cell
    forget_gate = cell.bias_ih.detach()[128:256]
    assert abs(float(forget_gate.mean()) - 1) < 0.05
    assert float(cell.bias_ih.detach()[:128].abs().max()) <= 128**-0.5


@pytest.mark.parametrize(
    ("mode", "position", "is_trained"),
    [
        ("regularised", 0, True),
        ("regularised", 1, True),
        ("freeze_recurrent", 0, True),
        ("freeze_recurrent", 1, False),
    ],
)
def test_the_weights_from_state_to_state_are_trained_when_the_mode_says_so(
    mode: Mode, position: int, is_trained: bool
) -> None:
    network = make_recurrent(RecurrentConfig(mode=mode))
    network.begin_task(position)
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    assert frozen == (set() if is_trained else {"cell.weight_hh", "cell.bias_hh"})


def test_it_can_be_called_with_other_parameters_than_its_own() -> None:
    network, other = make_recurrent(seed=1), make_recurrent(seed=2)
    embeddings = make_embeddings(network, tasks=2)
    found = functional_call(network, dict(other.named_parameters()), (embeddings,))
    assert torch.equal(found, other(embeddings))
