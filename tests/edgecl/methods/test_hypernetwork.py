from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from edgecl.config import GeneratorConfig
from edgecl.methods import Relations
from edgecl.methods.adaprefix_pp import AdaPrefixPP
from edgecl.methods.hypernetwork import Hypernetwork
from edgecl.methods.networks import build_network
from edgecl.methods.rows import PrefixTarget
from edgecl_runtime.tensors import TaskTensors
from tests.edgecl.factories import DIMENSIONS, learn, make_new_task, make_settings


class LinearNetwork(nn.Module):
    """Rows W e, one of one block, [T, 1, 1, D], of embeddings [T, E]."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, embeddings: Tensor) -> Tensor:
        return (embeddings @ self.weight.T)[:, None, None]


def make_hypernetwork(**generator: Any) -> Hypernetwork:
    """Return a network with one vector per task that knows no task."""
    config = GeneratorConfig(task_embedding="vector", **generator)
    target = PrefixTarget(DIMENSIONS, length=3, layout="canonical", attention="concat")
    random = torch.Generator().manual_seed(0)
    network = build_network(config, DIMENSIONS, target.plan, random=random)
    return Hypernetwork(network, target, config, seed=0)


def make_linear(embedding: Tensor, **generator: Any) -> Hypernetwork:
    """Return a linear network that knows a task."""
    config = GeneratorConfig(drift="rel", drift_weight=1.0, **generator)
    weight = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))
    network: Any = LinearNetwork(weight)  # only its call matters here
    target = PrefixTarget(DIMENSIONS, length=3, layout="canonical", attention="concat")
    hypernetwork = Hypernetwork(network, target, config, seed=0)
    hypernetwork.remember("known", embedding)
    return hypernetwork


def make_optimizer(hypernetwork: Hypernetwork, embedding: Tensor) -> torch.optim.AdamW:
    """Return an optimiser of a network, with the gradients of what it generates of an embedding."""
    optimizer = torch.optim.AdamW(hypernetwork.network.parameters(), lr=1e-2, weight_decay=0.1)
    hypernetwork.generate(embedding).square().sum().backward()
    return optimizer


def remember(hypernetwork: Hypernetwork, names: Sequence[str]) -> None:
    """Let a network know tasks, each with an embedding of its own."""
    random = torch.Generator().manual_seed(0)
    for name in names:
        hypernetwork.remember(name, hypernetwork.network.new_embedding(random))


def found_penalty(hypernetwork: Hypernetwork) -> float:
    """Return the drift of earlier tasks before the first step of a new one."""
    optimizer = torch.optim.AdamW(hypernetwork.network.parameters())
    penalty = hypernetwork.penalty(optimizer, np.random.default_rng(0))
    assert penalty is not None
    return float(penalty.detach())


def weight_of(hypernetwork: Hypernetwork) -> Tensor:
    return hypernetwork.network.get_parameter("weight").detach().clone()


@pytest.mark.parametrize("guidance", ["decoder", "paper"])
def test_a_decoder_is_made_for_a_network_that_is_on_another_device(guidance: str) -> None:
    hypernetwork = make_hypernetwork(guidance=guidance)
    remember(hypernetwork, ["a", "b"])
    hypernetwork.network.to("meta")
    task = make_new_task("new", relations=Relations({"a": 0.5, "b": 2.0}, reliable=True), known=2)
    assert hypernetwork.guide(task) is not None
    assert hypernetwork.decoder is not None
    assert hypernetwork.decoder(torch.zeros(128)).shape == (32,)


def test_a_fresh_decoder_is_made_for_each_task_as_published_and_one_for_all_otherwise() -> None:
    task = make_new_task("new", relations=Relations({"a": 0.5, "b": 2.0}, reliable=True), known=2)
    for guidance, is_kept in (("decoder", True), ("paper", False)):
        hypernetwork = make_hypernetwork(guidance=guidance)
        remember(hypernetwork, ["a", "b"])
        before = hypernetwork.decoder
        hypernetwork.guide(task)
        assert (hypernetwork.decoder is before) == is_kept


def test_tasks_of_a_stored_run_and_later_ones_are_kept_together_on_another_device() -> None:
    hypernetwork = make_hypernetwork(lookahead=False)
    remember(hypernetwork, ["stored"])
    hypernetwork.network.to("meta")
    remember(hypernetwork, ["later"])
    optimizer = torch.optim.AdamW(hypernetwork.network.parameters())
    penalty = hypernetwork.penalty(optimizer, np.random.default_rng(0))
    assert penalty is not None
    assert penalty.device.type == "meta"


def test_what_a_linear_network_will_have_moved_is_penalised_before_it_moves() -> None:
    """|dW e|² / (D v), where dW is the next step of AdamW and v the mean square of what is stored."""
    known, new = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    hypernetwork = make_linear(known)
    optimizer = make_optimizer(hypernetwork, new)
    before, stored = weight_of(hypernetwork), hypernetwork.generate(known).detach()
    found = hypernetwork.penalty(optimizer, np.random.default_rng(0))
    assert torch.equal(weight_of(hypernetwork), before)
    optimizer.step()
    change = weight_of(hypernetwork) - before
    assert found is not None
    assert_close(found.detach(), (change @ known).square().sum() / (16 * stored.square().mean()))


def test_without_looking_ahead_a_network_that_has_not_moved_has_no_penalty_and_no_gradient() -> None:
    known, new = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    hypernetwork = make_linear(known, lookahead=False)
    optimizer = make_optimizer(hypernetwork, new)
    optimizer.zero_grad()
    found = hypernetwork.penalty(optimizer, np.random.default_rng(0))
    assert found is not None
    found.backward()
    assert float(found.detach()) == 0.0
    assert_close(hypernetwork.network.get_parameter("weight").grad, torch.zeros(16, 8), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("lookahead", [True, False])
def test_where_the_next_step_leads_is_penalised_only_where_that_is_asked(*, lookahead: bool) -> None:
    known, new = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    hypernetwork = make_linear(known, lookahead=lookahead)
    optimizer = make_optimizer(hypernetwork, new)
    found = hypernetwork.penalty(optimizer, np.random.default_rng(0))
    assert found is not None
    assert (float(found.detach()) > 0.0) == lookahead


@pytest.mark.parametrize(("targets", "sees"), [("stored", True), ("regenerated", False)])
def test_regenerated_targets_move_with_the_layer_embedding_and_stored_ones_do_not(
    targets: str, *, sees: bool
) -> None:
    hypernetwork = make_hypernetwork(lookahead=False, drift_targets=targets, layer_embedding="always")
    remember(hypernetwork, ["known"])
    with torch.no_grad():
        hypernetwork.network.get_parameter("layer_embedding").add_(1.0)
    assert (found_penalty(hypernetwork) > 0) == sees


def test_regenerated_targets_are_of_the_network_as_the_last_task_left_it() -> None:
    hypernetwork = make_hypernetwork(lookahead=False, drift_targets="regenerated")
    remember(hypernetwork, ["known"])
    with torch.no_grad():
        hypernetwork.network.get_parameter("output.main.bias").add_(1.0)
    penalties = [found_penalty(hypernetwork)]
    remember(
        hypernetwork, ["later"]
    )  # learned by a network that is off for the first task: that is forgotten now
    penalties.append(found_penalty(hypernetwork))
    assert penalties[0] > penalties[1] == 0.0


def test_a_penalty_leaves_the_optimiser_as_it_was() -> None:
    known, new = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    hypernetwork = make_linear(known)
    optimizer = make_optimizer(hypernetwork, new)
    optimizer.step()  # before its first step it has no state
    before = copy.deepcopy(optimizer.state_dict())
    hypernetwork.penalty(optimizer, np.random.default_rng(0))
    assert before["state"]
    assert_close(optimizer.state_dict(), before, rtol=0.0, atol=0.0)


def shipped(method: AdaPrefixPP) -> tuple[TaskTensors, dict[str, np.ndarray]]:
    """Return what a learned task ships, and what its network generates of its embedding."""
    tensors = learn(method, make_new_task("shade")).materialize()
    state = method.state()
    hypernetwork = make_hypernetwork()
    hypernetwork.network.load_state_dict(
        {name: state[f"network.{name}"] for name in hypernetwork.network.state_dict()}
    )
    with torch.no_grad():
        inputs = hypernetwork.target.graph_inputs(hypernetwork.generate(state["embedding.shade"]))
    assert tensors is not None
    return tensors, {name: inputs[name][:, 0].numpy() for name in ("prefix_k", "prefix_v")}


def test_what_ships_is_what_is_generated_to_the_bit() -> None:
    tensors, generated = shipped(
        AdaPrefixPP(make_settings("adaprefix++", task_embedding="vector"), DIMENSIONS)
    )
    assert np.array_equal(tensors.prefix_k, generated["prefix_k"])
    assert np.array_equal(tensors.prefix_v, generated["prefix_v"])


def test_what_is_packed_is_what_is_generated_to_a_thousandth() -> None:
    tensors, generated = shipped(
        AdaPrefixPP(make_settings("adaprefix++", task_embedding="vector"), DIMENSIONS)
    )
    packed = tensors.rounded("F16")
    np.testing.assert_allclose(packed.prefix_k, generated["prefix_k"], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(packed.prefix_v, generated["prefix_v"], rtol=1e-3, atol=1e-7)


def test_rows_are_made_in_full_precision_where_the_backbone_computes_in_half() -> None:
    hypernetwork = make_hypernetwork()
    embedding = hypernetwork.network.new_embedding(torch.Generator().manual_seed(0))
    expected = hypernetwork.generate(embedding)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(hypernetwork.generate(embedding), expected, rtol=0.0, atol=0.0)
        explored = hypernetwork.explore(embedding, torch.Generator().manual_seed(0))
    assert_close(explored, expected, rtol=0.0, atol=0.0)
