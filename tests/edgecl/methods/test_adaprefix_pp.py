from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from edgecl.errors import ConfigError
from edgecl.generators.layout import PREFIX_STD
from edgecl.methods.adaprefix_pp import AdaPrefixPP, GeneratedTask
from edgecl.methods.rows import AdapterTarget
from edgecl_runtime.tensors import TaskTensors
from tests.edgecl.factories import (
    DIMENSIONS,
    changed,
    learn,
    make_injected,
    make_inputs,
    make_new_task,
    make_settings,
    trained,
)


def make_method(*, prefix_length: int = 3, **generator: Any) -> AdaPrefixPP:
    settings = changed(make_settings("adaprefix++", **generator), method={"prefix_length": prefix_length})
    return AdaPrefixPP(settings, DIMENSIONS)


def learned(method: AdaPrefixPP, name: str, **options: Any) -> TaskTensors:
    tensors = learn(method, make_new_task(name), **options).materialize()
    assert tensors is not None
    return tensors


def drift_of_the_first(**generator: Any) -> float:
    """Return how far the prefixes of a task moved while a second one was learned."""
    method = make_method(**generator)
    shipped = learned(method, "first")
    learned(method, "second", steps=20)
    return float(np.abs(method.current("first", shipped).prefix_k - shipped.prefix_k).max())


def begin_after(tasks: int, *, drift_tasks: int) -> tuple[GeneratedTask, list[Tensor]]:
    """Return a task that begins after so many others, and a list that gets what the network is given."""
    method, backbone = make_method(drift_tasks=drift_tasks), make_injected("vit")
    for number in range(tasks):
        learn(method, make_new_task(str(number), backbone=backbone), steps=0)
    learner = method.begin_task(make_new_task("new", backbone=backbone))
    given: list[Tensor] = []
    learner.network.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    return learner, given


@pytest.fixture(scope="module")
def unprotected() -> float:
    """How far prefixes move where nothing keeps them."""
    return drift_of_the_first(drift_weight=0.0)


def test_without_the_drift_loss_prefixes_move_further_than_they_were_wide_at_the_start(
    unprotected: float,
) -> None:
    assert unprotected > PREFIX_STD


def test_the_drift_loss_keeps_what_was_generated(unprotected: float) -> None:
    assert drift_of_the_first(drift_weight=1000.0) < 0.1 * unprotected


@pytest.mark.parametrize(
    ("form", "lookahead"), [("ms", False), ("rel", True), ("sq", True), ("frob", True), ("frob", False)]
)
def test_every_form_of_the_drift_loss_keeps_something(form: str, lookahead: bool, unprotected: float) -> None:
    assert drift_of_the_first(drift=form, drift_weight=1000.0, lookahead=lookahead) < 0.5 * unprotected


def test_the_first_task_has_nothing_to_keep() -> None:
    learner = make_method().begin_task(make_new_task())
    assert learner.penalty(torch.optim.AdamW(learner.parameters()), 0) is None


def test_without_weight_nothing_is_kept() -> None:
    method = make_method(drift_weight=0.0)
    learn(method, make_new_task("first"))
    learner = method.begin_task(make_new_task("second"))
    assert learner.penalty(torch.optim.AdamW(learner.parameters()), 0) is None


@pytest.mark.parametrize("tasks", [5, 50])
def test_a_step_costs_as_much_after_few_tasks_as_after_many(tasks: int) -> None:
    learner, given = begin_after(tasks, drift_tasks=4)
    assert learner.penalty(torch.optim.AdamW(learner.parameters()), 0) is not None
    assert [len(embeddings) for embeddings in given] == [4]


def test_other_tasks_are_drawn_at_another_step() -> None:
    learner, given = begin_after(50, drift_tasks=4)
    for step in (0, 1, 0):
        learner.penalty(torch.optim.AdamW(learner.parameters()), step)
    assert torch.equal(given[0], given[2])
    assert not torch.equal(given[0], given[1])


def test_a_task_that_was_learned_keeps_its_embedding() -> None:
    method = make_method()
    learn(method, make_new_task("first"))
    before = method.state()["embedding.first"].clone()
    learn(method, make_new_task("second"))
    assert torch.equal(method.state()["embedding.first"], before)


@pytest.mark.parametrize(
    "generator",
    [
        {"task_embedding": "row"},
        {"task_embedding": "vector"},
        {"architecture": "recurrent"},
        {"architecture": "recurrent", "recurrent_mode": "grow"},
        {"architecture": "recurrent", "recurrent_learned_state": True},
        {"layout": "flat"},
        {"start": "default"},
        {"layer_embedding": "onehot"},
        {"layer_embedding": "random"},
    ],
)
def test_every_variant_trains_all_it_has(generator: dict[str, Any]) -> None:
    start = trained(make_method(**generator).begin_task(make_new_task()))
    end = trained(learn(make_method(**generator), make_new_task()))
    assert [name for name in start if torch.equal(start[name], end[name])] == []


@pytest.mark.parametrize(("layer_embedding", "moves"), [("first_task", False), ("always", True)])
def test_the_embeddings_of_blocks_are_trained_when_the_settings_say(
    layer_embedding: str, moves: bool
) -> None:
    method = make_method(layer_embedding=layer_embedding)
    learn(method, make_new_task("first"))
    before = method.state()["network.layer_embedding"].clone()
    learn(method, make_new_task("second"))
    assert torch.equal(method.state()["network.layer_embedding"], before) != moves


@torch.no_grad()
def test_generated_adapters_start_as_the_identity() -> None:
    backbone, inputs = make_injected("vit"), make_inputs("vit")
    learner = make_method(generates="adapter", prefix_length=0).begin_task(make_new_task(backbone=backbone))
    assert_close(learner.features(backbone, inputs), backbone(inputs), rtol=0.0, atol=1e-5)


def test_generated_adapters_are_learned() -> None:
    tensors = learned(make_method(generates="adapter"), "shade")
    tensors.check(DIMENSIONS, classes=2)
    assert tensors.adapter_up.any()


def test_generated_rows_are_read_back_from_what_was_stored() -> None:
    target = AdapterTarget(DIMENSIONS, rank=2)
    method = make_method(generates="adapter")
    learner = learn(method, make_new_task())
    stored = learner.materialize()
    assert stored is not None
    expected = learner.graph_inputs()["adapter_down"]  # type: ignore[attr-defined]  # of this method's learner
    assert_close(target.graph_inputs(target.rows(stored))["adapter_down"], expected, rtol=0.0, atol=0.0)


def test_a_task_can_start_with_the_adapter_and_the_embedding_of_another() -> None:
    method = make_method()
    shipped = learned(method, "first")
    learner = method.begin_task(make_new_task("second", parent=("first", shipped)))
    assert torch.equal(learner.embedding, method.state()["embedding.first"])
    start = learner.materialize()
    assert np.array_equal(start.adapter_up, shipped.adapter_up)
    assert np.array_equal(start.prefix_k, shipped.prefix_k)
    assert not start.head_weight.any()


def test_the_embedding_of_a_parent_does_not_move_with_its_child() -> None:
    method = make_method()
    shipped = learned(method, "first")
    before = method.state()["embedding.first"].clone()
    learn(method, make_new_task("second", parent=("first", shipped)))
    assert torch.equal(method.state()["embedding.first"], before)


def test_an_interval_is_trained_at_random_points_of_its_box_and_ships_the_centre() -> None:
    learner = make_method(architecture="interval").begin_task(make_new_task())
    centre, *points = (learner.graph_inputs(step=step)["prefix_k"] for step in (None, 0, 1))
    assert not torch.equal(points[0], points[1])
    assert torch.equal(points[0], learner.graph_inputs(step=0)["prefix_k"])
    assert np.array_equal(learner.materialize().prefix_k, centre.detach().numpy()[:, 0])


def test_an_interval_learns_where_its_boxes_are() -> None:
    method = make_method(architecture="interval")
    learn(method, make_new_task("first"))
    place, share = method.state()["embedding.first"]
    assert place.any()
    assert share.any()


def test_a_learner_of_another_method_cannot_end_a_task() -> None:
    other: Any = object()
    with pytest.raises(TypeError, match="object is not a task of this method"):
        make_method().end_task("shade", other)


@pytest.mark.parametrize(
    ("generator", "said"),
    [
        ({"architecture": "interval", "guidance": "distance"}, "found 'distance' for embeddings of boxes"),
        ({}, "prefix_length: found 0"),
    ],
)
def test_what_cannot_be_generated_is_refused(generator: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_method(prefix_length=0 if not generator else 3, **generator)
