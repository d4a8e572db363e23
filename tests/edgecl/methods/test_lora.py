from __future__ import annotations

import sys

import pytest
import torch

from edgecl.errors import ConfigError
from edgecl.methods.lora import Lora, LoraTask
from tests.edgecl.factories import (
    DIMENSIONS,
    FAMILY_NAMES,
    changed,
    learn,
    make_injected,
    make_inputs,
    make_new_task,
    make_settings,
    trained,
)


def make_learner(family: str = "vit", *, seed: int = 0) -> LoraTask:
    task = make_new_task(backbone=make_injected(family), seed=seed)
    return Lora(make_settings("lora"), DIMENSIONS).begin_task(task)


@pytest.mark.parametrize("family", FAMILY_NAMES)
@torch.no_grad()
def test_an_untrained_task_is_the_bare_backbone_to_the_bit(family: str) -> None:
    backbone, inputs = make_injected(family), make_inputs(family)
    assert torch.equal(make_learner(family).features(backbone, inputs), backbone(inputs))


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_queries_and_values_of_every_block_are_adapted_and_nothing_else(family: str) -> None:
    adapted = sorted(name.split(".lora_")[0] for name in trained(make_learner(family)) if "lora_" in name)
    ends = {name.rsplit(".", maxsplit=1)[1] for name in adapted}
    assert ends in ({"q_proj", "v_proj"}, {"query", "value"})
    assert len(set(adapted)) == 2 * DIMENSIONS.layers
    assert len(adapted) == 2 * len(set(adapted))


def test_the_updates_have_the_rank_of_the_settings() -> None:
    updates = {name: each for name, each in trained(make_learner()).items() if "lora_" in name}
    assert {min(each.shape) for each in updates.values()} == {2}


def test_no_low_rank_module_is_put_into_the_given_backbone() -> None:
    backbone = make_injected("vit")
    names = {name for name, _ in backbone.named_modules()}
    learn(Lora(make_settings("lora"), DIMENSIONS), make_new_task(backbone=backbone))
    assert {name for name, _ in backbone.named_modules()} == names


def test_the_start_comes_from_the_seed_of_the_task_alone() -> None:
    torch.manual_seed(1)
    first, same, other = (trained(make_learner(seed=seed)) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_random_numbers_of_the_process_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    make_learner()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_peft_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="lora needs peft. Install it: pip install peft"):
        Lora(make_settings("lora"), DIMENSIONS)


def test_a_rank_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="method.rank: found 0, expected 1 or more for lora"):
        Lora(changed(make_settings("lora"), method={"rank": 0}), DIMENSIONS)
