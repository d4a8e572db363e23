from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecl.config import MethodConfig, RunConfig
from edgecl.methods.adaprefix import AdaPrefix, AdaPrefixTask
from edgecl_runtime.tensors import expected_shapes
from tests.edgecl.factories import DIMENSIONS, make_new_task


def begin_task(
    *, rank: int = 2, prefix_length: int | None = 3, classes: int = 4, seed: int = 0
) -> AdaPrefixTask:
    method = AdaPrefix(RunConfig(method=MethodConfig(rank=rank, prefix_length=prefix_length)), DIMENSIONS)
    random = torch.Generator().manual_seed(seed)
    return method.begin_task(make_new_task(classes=classes, generator=random))


@pytest.mark.parametrize(("rank", "length"), [(2, 3), (0, 3), (2, 0), (0, 0)])
def test_a_task_ends_in_the_tensors_of_the_contract(rank: int, length: int) -> None:
    tensors = begin_task(rank=rank, prefix_length=length, classes=4).materialize()
    tensors.check(DIMENSIONS, classes=4)
    shapes = expected_shapes(DIMENSIONS, prefix_length=length, rank=rank, classes=4)
    assert {name: array.shape for name, array in tensors.items()} == shapes
    assert {array.dtype for _, array in tensors.items()} == {np.dtype(np.float32)}


def test_what_is_stored_gives_the_graph_inputs_that_were_trained() -> None:
    task = begin_task()
    stored = task.materialize().graph_inputs()
    trained = {name: tensor.detach().numpy() for name, tensor in task.graph_inputs().items()}
    assert stored.keys() == trained.keys()
    assert all(np.array_equal(stored[name], trained[name]) for name in trained)


def test_what_is_stored_does_not_change_when_training_goes_on() -> None:
    task = begin_task()
    stored = task.materialize()
    torch.nn.init.ones_(task.adapter.up)
    assert not stored.adapter_up.any()


def test_the_stored_head_gives_the_scores_of_the_trained_one_on_features_as_they_are() -> None:
    task, features = begin_task(), torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(task.head.weight, generator=torch.Generator().manual_seed(1))
    torch.nn.init.ones_(task.head.bias)
    stored = task.materialize()
    found = features.numpy() @ stored.head_weight.T + stored.head_bias
    np.testing.assert_allclose(found, task.head(features).detach().numpy(), rtol=0, atol=1e-5)


def test_the_head_starts_at_zero() -> None:
    head = begin_task(classes=7).head
    assert head.weight.shape == (7, 64)
    assert torch.count_nonzero(head.weight) == torch.count_nonzero(head.bias) == 0


def test_every_parameter_is_the_heads_or_the_modules_and_no_other() -> None:
    task = begin_task()
    split = [*task.module_parameters(), *task.head.parameters()]
    assert sorted(map(id, split)) == sorted(map(id, task.parameters()))


def test_the_start_of_a_task_comes_from_the_generator_alone() -> None:
    first, same, other = (begin_task(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["prefix.key"], other["prefix.key"])


def test_without_a_prefix_length_there_is_no_prefix() -> None:
    assert begin_task(prefix_length=None).materialize().prefix_length == 0
