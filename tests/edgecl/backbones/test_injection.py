from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from edgecl.backbones.injection import (
    InjectedBackbone,
    PrefixAttention,
    PrefixSlice,
    fused_prefix_attention,
    prefix_attention,
)
from edgecl.kinds import Pooling
from tests.edgecl.backbones.numpy_encoders import bert_features, vit_features
from tests.edgecl.factories import (
    FAMILY_NAMES,
    IMAGE_FAMILIES,
    make_injected,
    make_inputs,
    make_model,
    make_task,
)

each_family = pytest.mark.parametrize("family", FAMILY_NAMES)


@torch.no_grad()
def features(backbone: InjectedBackbone, inputs: dict[str, Tensor], task: dict[str, Tensor] | None) -> Tensor:
    found: Tensor = backbone(inputs, task)
    return found


def assert_near(found: Tensor, expected: Tensor, *, within: float) -> None:
    assert_close(found, expected, rtol=0.0, atol=within)


def row_of(tensors: dict[str, Tensor], row: int, *, axis: int = 0) -> dict[str, Tensor]:
    return {name: tensor.narrow(axis, row, 1) for name, tensor in tensors.items()}


def task_row(task: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """Return the task of one row: G is the first axis of the bias and the second of the others."""
    bias = task["prefix_bias"][row : row + 1]
    return row_of({name: task[name] for name in task if name != "prefix_bias"}, row, axis=1) | {
        "prefix_bias": bias
    }


def as_double(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in tensors.items()}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("length", [0, 3])
@pytest.mark.parametrize(
    "mask", [None, torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=torch.bool)[:, None, None]]
)
@pytest.mark.parametrize("attend", [fused_prefix_attention, prefix_attention])
def test_prefixes_and_tokens_share_one_softmax(
    attend: PrefixAttention, groups: int, length: int, mask: Tensor | None
) -> None:
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randn(3, 2, 5, 4, 8, generator=draw, dtype=torch.float64)
    own = torch.randn(2, groups, 5, length, 8, generator=draw, dtype=torch.float64)
    bias = torch.zeros(groups, 1, 1, length, dtype=torch.float64)
    bias[..., 1:2] = -1e4
    prefix = PrefixSlice(own[0], own[1], bias)
    query, key, value = tokens
    scores = query / 2 @ key.transpose(-1, -2)
    seen = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
    weights = torch.cat((query / 2 @ own[0].transpose(-1, -2) + bias, seen), dim=-1).softmax(dim=-1)
    expected = weights[..., :length] @ own[1] + weights[..., length:] @ value
    found = attend(query, key, value, prefix, mask=mask, scaling=0.5)
    assert_near(found, expected, within=1e-12)


@each_family
def test_without_a_task_every_bit_is_that_of_the_untouched_model(family: str) -> None:
    inputs = make_inputs(family)
    with torch.no_grad():
        untouched = make_model(family)(**inputs).last_hidden_state[:, 0]
    assert torch.equal(features(make_injected(family), inputs, None), untouched)


@each_family
def test_after_a_task_the_bits_are_those_of_before(family: str) -> None:
    backbone, inputs = make_injected(family), make_inputs(family)
    before = features(backbone, inputs, None)
    features(backbone, inputs, make_task())
    assert torch.equal(features(backbone, inputs, None), before)


@each_family
def test_a_task_changes_the_features(family: str) -> None:
    backbone, inputs = make_injected(family), make_inputs(family)
    difference = features(backbone, inputs, make_task()) - features(backbone, inputs, None)
    assert difference.abs().max() > 0.1


@each_family
def test_an_empty_task_is_no_task(family: str) -> None:
    backbone, inputs = make_injected(family), make_inputs(family)
    empty = make_task(prefix_length=0, rank=0)
    empty["adapter_up_bias"].zero_()
    assert_near(features(backbone, inputs, empty), features(backbone, inputs, None), within=5e-6)


@each_family
def test_prefixes_that_are_switched_off_are_no_task(family: str) -> None:
    backbone, inputs = make_injected(family), make_inputs(family)
    masked = make_task(prefix_length=5, rank=0, seed=7)
    masked["prefix_k"] *= 30
    masked["prefix_v"] *= 30
    masked["prefix_bias"].fill_(-1e4)
    masked["adapter_up_bias"].zero_()
    assert_near(features(backbone, inputs, masked), features(backbone, inputs, None), within=5e-6)


@each_family
def test_one_task_for_the_batch_equals_the_same_task_for_each_row(family: str) -> None:
    backbone, inputs, task = make_injected(family), make_inputs(family, rows=3), make_task(groups=1)
    repeated = {
        name: tensor.repeat_interleave(3, dim=0 if name == "prefix_bias" else 1)
        for name, tensor in task.items()
    }
    assert_near(features(backbone, inputs, repeated), features(backbone, inputs, task), within=5e-6)


@each_family
@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_row_of_a_mixed_batch_equals_its_own_call(family: str, row: int) -> None:
    backbone, inputs, tasks = make_injected(family), make_inputs(family, rows=3), make_task(groups=3)
    alone = features(backbone, row_of(inputs, row), task_row(tasks, row))
    assert_near(features(backbone, inputs, tasks)[row : row + 1], alone, within=5e-6)


@each_family
def test_no_parameter_requires_a_gradient(family: str) -> None:
    assert not any(parameter.requires_grad for parameter in make_injected(family).parameters())


@each_family
def test_train_leaves_every_module_in_evaluation_mode(family: str) -> None:
    backbone = make_injected(family)
    assert backbone.train() is backbone
    assert not any(module.training for module in backbone.modules())


@each_family
def test_a_training_step_reaches_the_task_and_no_weight(family: str) -> None:
    backbone, task = make_injected(family), make_task()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    learned = [tensor.requires_grad_() for tensor in task.values()]
    optimizer = torch.optim.SGD([*learned, *backbone.parameters()], lr=1.0)
    backbone.train()(make_inputs(family), task).square().sum().backward()
    optimizer.step()
    assert min(float(tensor.grad.abs().max()) for tensor in learned if tensor.grad is not None) > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


@pytest.mark.parametrize("task", [None, make_task(), make_task(groups=1, prefix_length=0)])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_padding_does_not_change_the_feature_of_a_text(
    task: dict[str, Tensor] | None, pooling: Pooling
) -> None:
    backbone = make_injected("bert", pooling=pooling)
    short = make_inputs("bert", rows=1)
    padded = {name: torch.nn.functional.pad(tensor, (0, 4)) for name, tensor in short.items()}
    padded["input_ids"][:, 6:] = 9
    assert_near(features(backbone, padded, task), features(backbone, short, task), within=5e-6)


def test_mean_pooling_is_the_mean_of_the_real_tokens() -> None:
    inputs = make_inputs("bert", rows=1)
    inputs["attention_mask"][:, 4:] = 0
    with torch.no_grad():
        tokens = make_model("bert")(**inputs).last_hidden_state
    found = features(make_injected("bert", pooling="mean"), inputs, None)
    assert_near(found, tokens[:, :4].mean(dim=1), within=1e-6)


def test_an_exception_in_the_forward_pass_leaves_no_task_active() -> None:
    backbone, inputs = make_injected("vit"), make_inputs("vit")
    before = features(backbone, inputs, None)
    with pytest.raises(RuntimeError):
        features(backbone, inputs, make_task() | {"adapter_up": torch.zeros(2, 1, 7, 7)})
    with torch.no_grad():
        assert torch.equal(backbone.model(**inputs).last_hidden_state[:, 0], before)


def test_two_backbones_do_not_share_a_task() -> None:
    first, second, inputs = make_injected("vit"), make_injected("vit"), make_inputs("vit")
    bare = features(second, inputs, None)
    first.register_forward_pre_hook(lambda *_: assert_near(features(second, inputs, None), bare, within=0.0))
    assert not torch.equal(features(first, inputs, make_task()), bare)


@pytest.mark.parametrize("family", IMAGE_FAMILIES)
@pytest.mark.parametrize("groups", [1, 2])
def test_image_encoders_agree_with_their_equations_in_float64(family: str, groups: int) -> None:
    backbone, inputs = make_injected(family).double(), as_double(make_inputs(family, rows=2))
    task = as_double(make_task(groups=groups))
    expected = vit_features(
        {name: tensor.numpy() for name, tensor in backbone.model.state_dict().items()},
        inputs["pixel_values"].numpy(),
        {name: tensor.numpy() for name, tensor in task.items()},
        config=backbone.model.config,
    )
    assert_near(features(backbone, inputs, task), torch.from_numpy(expected), within=1e-9)


@pytest.mark.parametrize("groups", [1, 2])
def test_bert_agrees_with_its_equations_in_float64(groups: int) -> None:
    backbone, inputs, task = (
        make_injected("bert").double(),
        make_inputs("bert", rows=2),
        make_task(groups=groups),
    )
    inputs["attention_mask"][1, 4:] = 0
    task["prefix_bias"][:, ..., -1] = -1e4
    expected = bert_features(
        {name: tensor.numpy() for name, tensor in backbone.model.state_dict().items()},
        inputs["input_ids"].numpy(),
        inputs["attention_mask"].bool().numpy(),
        {name: tensor.double().numpy() for name, tensor in task.items()},
        config=backbone.model.config,
    )
    assert_near(features(backbone, inputs, as_double(task)), torch.from_numpy(expected), within=1e-9)


@each_family
def test_no_gradient_reaches_the_first_prefix_where_it_is_fixed(family: str) -> None:
    backbone, inputs = make_injected(family), make_inputs(family)
    trained, fixed = (gradient_of_prefixes(backbone, inputs, first_is_fixed=said) for said in (False, True))
    assert trained[0].abs().max() > 0
    assert fixed[0].abs().max() == 0
    assert_close(fixed[1:], trained[1:])


def gradient_of_prefixes(
    backbone: InjectedBackbone, inputs: dict[str, Tensor], *, first_is_fixed: bool
) -> Tensor:
    """Return the gradient of the sum of all features in the prefix keys, block by block."""
    task = make_task()
    task["prefix_k"].requires_grad_()
    backbone.use_attention("concat", first_is_fixed=first_is_fixed)
    backbone(inputs, task).square().sum().backward()
    gradient = task["prefix_k"].grad
    assert gradient is not None
    return gradient
