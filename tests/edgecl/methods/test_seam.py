"""What every method promises, whatever it does inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from edgecl.methods import METHODS, Method, TaskLearner, build_method
from edgecl_runtime.tensors import TaskTensors
from tests.edgecl.factories import (
    DIMENSIONS,
    changed,
    learn,
    make_injected,
    make_new_task,
    make_settings,
    trained,
)

NAMES = sorted(METHODS)
PEERS = ("lora",)
WITH_TENSORS = [name for name in NAMES if name not in PEERS]


@dataclass
class Stored:
    """Earlier tasks as a run keeps them."""

    kept: dict[str, TaskTensors] = field(default_factory=dict)

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.kept)

    def tensors(self, name: str) -> TaskTensors:
        return self.kept[name]

    def keep(self, name: str, learner: TaskLearner) -> None:
        tensors = learner.materialize()
        if tensors is not None:
            self.kept[name] = tensors


def build(name: str) -> Method:
    return build_method(make_settings(name), DIMENSIONS)


def same(one: TaskTensors, other: TaskTensors) -> bool:
    return all(np.array_equal(array, getattr(other, name)) for name, array in one.items())


@pytest.mark.parametrize("name", WITH_TENSORS)
def test_a_task_ends_in_the_tensors_of_the_contract(name: str) -> None:
    tensors = learn(build(name), make_new_task()).materialize()
    assert tensors is not None
    tensors.check(DIMENSIONS, classes=2)
    assert (tensors.prefix_length, tensors.rank) == (3, 2)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_has_nothing_to_ship(name: str) -> None:
    method = build(name)
    assert learn(method, make_new_task()).materialize() is None
    assert not method.ships


@pytest.mark.parametrize("name", NAMES)
def test_the_backbone_stays_as_it_is(name: str) -> None:
    backbone, untouched = make_injected("vit"), make_injected("vit").state_dict()
    learn(build(name), make_new_task(backbone=backbone))
    found = backbone.state_dict()
    assert found.keys() == untouched.keys()
    assert all(torch.equal(found[key], untouched[key]) for key in untouched)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_trained_is_what_the_learner_says(name: str) -> None:
    learner = build(name).begin_task(make_new_task())
    said = {id(each) for each in [*learner.module_parameters(), *learner.head.parameters()]}
    assert isinstance(learner, nn.Module)
    assert {id(each) for each in learner.parameters() if each.requires_grad} == said


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_trained_moves(name: str) -> None:
    start = trained(build(name).begin_task(make_new_task()))
    end = trained(learn(build(name), make_new_task()))
    assert [key for key in start if torch.equal(start[key], end[key])] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_method_that_was_stored_goes_on_as_if_it_had_not_been_interrupted(name: str) -> None:
    first, second = make_new_task("first"), make_new_task("second")
    method, stored = build(name), Stored()
    stored.keep("first", learn(method, first))
    continued = build(name)
    continued.load_state(load(save(method.state())), stored)
    whole = trained(learn(method, second))
    found = trained(learn(continued, make_new_task("second")))
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[key], whole[key]) for key in whole)


@pytest.mark.parametrize("name", ["adaprefix++", "shared"])
def test_a_state_of_another_method_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        build(name).load_state({}, Stored())


@pytest.mark.parametrize("name", WITH_TENSORS)
def test_right_after_a_task_the_method_would_ship_what_it_shipped(name: str) -> None:
    method, stored = build(name), Stored()
    stored.keep("shade", learn(method, make_new_task()))
    assert same(method.current("shade", stored.tensors("shade")), stored.tensors("shade"))


@pytest.mark.parametrize("name", ["adaprefix", "lora"])
def test_a_task_on_its_own_cannot_change(name: str) -> None:
    shipped = Stored()
    shipped.keep("shade", learn(build("adaprefix"), make_new_task()))
    tensors = shipped.tensors("shade")
    assert build(name).current("shade", tensors) is tensors


@pytest.mark.parametrize(
    ("rank", "length", "kinds"),
    [(0, 0, set()), (0, 3, {"prefix"}), (2, 0, {"adapter"}), (2, 3, {"adapter", "prefix"})],
)
def test_a_module_of_size_0_is_not_trained_in_any_part(rank: int, length: int, kinds: set[str]) -> None:
    settings = changed(make_settings(), method={"rank": rank, "prefix_length": length})
    task = build_method(settings, DIMENSIONS).begin_task(make_new_task())
    assert {name.split(".")[0] for name in trained(task)} - {"head"} == kinds
