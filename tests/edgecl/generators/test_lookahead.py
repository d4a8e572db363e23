from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgecl.generators import adam_step, ahead, drift
from tests.edgecl.generators.factories import (
    make_embeddings,
    make_interval,
    make_recurrent,
    make_rowwise,
    seeded,
)


def make_layer() -> nn.Linear:
    layer = nn.Linear(5, 3)
    nn.init.normal_(layer.weight, generator=seeded(1))
    nn.init.normal_(layer.bias, generator=seeded(2))
    return layer


def make_optimizer(layer: nn.Linear, *, steps: int, weight_decay: float = 0.1) -> torch.optim.AdamW:
    """Return an optimiser that has made some steps, two rates in it, and gradients for the next."""
    groups = [
        {"params": [layer.weight], "lr": 1e-2},
        {"params": [layer.bias], "lr": 1e-3, "betas": (0.8, 0.9)},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay)
    for step in range(steps):
        set_gradients(layer, seed=step)
        optimizer.step()
    set_gradients(layer, seed=100)
    return optimizer


def set_gradients(layer: nn.Linear, *, seed: int) -> None:
    optimizer = torch.optim.SGD(layer.parameters())
    optimizer.zero_grad()
    layer(torch.randn(7, 5, generator=seeded(seed))).square().sum().backward()


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_change_is_the_one_that_the_next_step_makes(steps: int, weight_decay: float) -> None:
    layer = make_layer()
    optimizer = make_optimizer(layer, steps=steps, weight_decay=weight_decay)
    before, (weight, bias) = values(layer), adam_step(optimizer, layer.parameters()).values()
    optimizer.step()
    after = values(layer)
    torch.testing.assert_close(weight, after["weight"] - before["weight"], rtol=0.0, atol=1e-7)
    torch.testing.assert_close(bias, after["bias"] - before["bias"], rtol=0.0, atol=1e-7)


@pytest.mark.parametrize("steps", [0, 3])
def test_looking_ahead_moves_neither_the_parameters_nor_the_optimiser(steps: int) -> None:
    layer = make_layer()
    optimizer = make_optimizer(layer, steps=steps)
    before, state = values(layer), copy.deepcopy(optimizer.state_dict())
    adam_step(optimizer, layer.parameters())
    assert len(optimizer.state) == len(state["state"])
    torch.testing.assert_close(optimizer.state_dict(), state, rtol=0.0, atol=0.0)
    torch.testing.assert_close(values(layer), before, rtol=0.0, atol=0.0)


def test_parameters_that_are_not_asked_for_are_left_out() -> None:
    layer = make_layer()
    assert set(adam_step(make_optimizer(layer, steps=1), [layer.get_parameter("bias")])) == {layer.bias}


def test_parameters_without_a_gradient_are_left_out() -> None:
    layer = make_layer()
    optimizer = make_optimizer(layer, steps=1)
    layer.weight.grad = None
    assert set(adam_step(optimizer, layer.parameters())) == {layer.bias}


def test_parameters_that_the_optimiser_does_not_train_are_left_out() -> None:
    layer, other = make_layer(), make_layer()
    set_gradients(other, seed=0)
    assert adam_step(make_optimizer(layer, steps=1), other.parameters()) == {}


def test_the_changes_are_detached() -> None:
    layer = make_layer()
    changes = adam_step(make_optimizer(layer, steps=1), layer.parameters())
    assert not any(change.requires_grad for change in changes.values())


@pytest.mark.parametrize("option", ["amsgrad", "maximize"])
def test_another_kind_of_step_is_refused(option: str) -> None:
    layer = make_layer()
    optimizer = torch.optim.AdamW(layer.parameters(), **{option: True})  # type: ignore[arg-type]  # by name
    with pytest.raises(ValueError, match="found amsgrad or maximize"):
        adam_step(optimizer, layer.parameters())


def test_gradients_flow_from_ahead_to_the_parameters_as_they_are() -> None:
    layer = make_layer()
    changes = adam_step(make_optimizer(layer, steps=1), [layer.get_parameter("weight")])
    moved = ahead(layer, changes)
    layer.zero_grad()
    functional_call(layer, moved, (torch.ones(1, 5),)).sum().backward()
    assert torch.equal(moved["weight"], layer.weight + changes[layer.get_parameter("weight")])
    assert moved["bias"] is layer.bias
    torch.testing.assert_close(layer.weight.grad, torch.ones(3, 5))


@pytest.mark.parametrize("make", [make_rowwise, make_recurrent, make_interval])
def test_the_first_step_of_a_task_sees_drift_only_when_it_looks_ahead(make) -> None:
    network = make()
    network.begin_task(1)
    earlier, current = make_embeddings(network, tasks=3), make_embeddings(network, tasks=1, seed=9)
    stored = network(earlier).detach()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    network(current).square().sum().backward()
    steps = adam_step(optimizer, network.parameters())
    optimizer.zero_grad()
    here = drift(network(earlier), stored, form="ms")
    there = drift(functional_call(network, ahead(network, steps), (earlier,)), stored, form="ms")
    there.backward()
    assert here.item() == 0
    assert there.item() > 0
    assert any(torch.count_nonzero(value.grad) for value in network.parameters() if value.grad is not None)
