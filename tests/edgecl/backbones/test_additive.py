from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from edgecl.backbones.injection import InjectedBackbone, PrefixSlice, additive_attention
from tests.edgecl.backbones.numpy_encoders import attention
from tests.edgecl.factories import FAMILY_NAMES, make_injected, make_inputs, make_task

each_family = pytest.mark.parametrize("family", FAMILY_NAMES)


def make_additive(family: str) -> InjectedBackbone:
    backbone = make_injected(family)
    backbone.use_attention("additive")
    return backbone


def without_values(task: dict[str, Tensor]) -> dict[str, Tensor]:
    return task | {"prefix_v": torch.zeros_like(task["prefix_v"])}


@torch.no_grad()
def features(backbone: InjectedBackbone, family: str, task: dict[str, Tensor] | None) -> Tensor:
    found: Tensor = backbone(make_inputs(family), task)
    return found


def test_it_is_attention_over_tokens_plus_attention_over_prefixes() -> None:
    random = np.random.default_rng(0)
    query, key, value = (random.normal(size=(2, 3, 5, 4)) for _ in range(3))
    prefix_key, prefix_value = (random.normal(size=(1, 3, 6, 4)) for _ in range(2))
    bias = random.normal(size=(1, 1, 1, 6))
    found = additive_attention(
        torch.from_numpy(query),
        torch.from_numpy(key),
        torch.from_numpy(value),
        PrefixSlice(torch.from_numpy(prefix_key), torch.from_numpy(prefix_value), torch.from_numpy(bias)),
        mask=None,
        scaling=0.5,
    )
    nothing, every = (np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0)), np.ones(5, bool)
    for row, head in np.ndindex(2, 3):
        tokens = attention(query[row, head], key[row, head], value[row, head], nothing, every)
        scores = query[row, head] @ prefix_key[0, head].T / 2 + bias[0, 0, 0]
        odds = np.exp(scores)
        added = odds / odds.sum(axis=1, keepdims=True) @ prefix_value[0, head]
        np.testing.assert_allclose(found[row, head].numpy(), tokens + added, rtol=0, atol=1e-12)


@each_family
def test_prefixes_whose_values_are_zero_are_no_task(family: str) -> None:
    backbone = make_additive(family)
    task = without_values(make_task(rank=0))
    task["adapter_up_bias"].zero_()
    torch.testing.assert_close(
        features(backbone, family, task), features(backbone, family, None), rtol=0, atol=5e-6
    )


@each_family
def test_prefixes_act(family: str) -> None:
    backbone, task = make_additive(family), make_task()
    change = features(backbone, family, task) - features(backbone, family, without_values(task))
    assert change.abs().max() > 0.05


@each_family
def test_without_a_task_every_bit_is_that_of_the_other_attention(family: str) -> None:
    assert torch.equal(
        features(make_additive(family), family, None), features(make_injected(family), family, None)
    )


def test_padding_stays_invisible() -> None:
    backbone, task = make_additive("bert"), make_task()
    short = make_inputs("bert", rows=1)
    padded = {name: torch.nn.functional.pad(tensor, (0, 4)) for name, tensor in short.items()}
    with torch.no_grad():
        torch.testing.assert_close(backbone(padded, task), backbone(short, task), rtol=0, atol=5e-6)
