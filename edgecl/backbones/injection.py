"""A frozen `transformers` encoder whose blocks take prefixes and adapters of a task.

Prefixes enter through the attention registry of `transformers`, adapters through forward hooks, so no model
code is copied. The tensors have the names and shapes of the exported graph (`edgecl_runtime.tensors`), with the
axis G after the layers: 1 for one task for the whole batch, or B for a task per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from edgecl.backbones.families import Family, submodule
from edgecl.kinds import AttentionVariant, Pooling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel

TaskInputs = Mapping[str, Tensor]

ATTENTION_NAME = "edgecl"


class _Active:
    """The task tensors of the forward pass under way, and how prefixes act; shared by all blocks of one backbone."""

    def __init__(self) -> None:
        self.task: TaskInputs | None = None
        self.attention: AttentionVariant = "concat"
        self.first_is_fixed = False


class _Slot:
    """What a block needs to find its own slices of the active task."""

    def __init__(self, active: _Active, layer: int) -> None:
        self._active, self._layer = active, layer

    def prefix(self) -> PrefixSlice | None:
        """Return this block's prefix, or None without a task."""
        task, layer = self._active.task, self._layer
        if task is None:
            return None
        key, value = task["prefix_k"][layer], task["prefix_v"][layer]
        if layer == 0 and self._active.first_is_fixed:
            key, value = key.detach(), value.detach()
        return PrefixSlice(key, value, task["prefix_bias"])

    @property
    def attend(self) -> PrefixAttention:
        """How the prefix enters the attention; while a graph is traced, in operators that leave G and B free."""
        if self._active.attention == "additive":
            return additive_attention
        return prefix_attention if torch.compiler.is_compiling() else fused_prefix_attention

    def adapter(self) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
        """Return this block's down, down bias, up and up bias, each [G, ...], or None without a task."""
        task, layer = self._active.task, self._layer
        if task is None:
            return None
        down, down_bias = task["adapter_down"][layer], task["adapter_down_bias"][layer]
        return down, down_bias, task["adapter_up"][layer], task["adapter_up_bias"][layer]


class PrefixSlice(NamedTuple):
    """The prefix of one block: `key` and `value` [G, H, P, Dh], `bias` [G, 1, 1, P]; G is 1 or B.

    The bias is added to the scores of the prefix: 0 keeps it, -1e4 switches it off.
    """

    key: Tensor
    value: Tensor
    bias: Tensor


class PrefixAttention(Protocol):
    """A way in which a prefix enters the attention of a block."""

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        prefix: PrefixSlice,
        *,
        mask: Tensor | None,
        scaling: float,
    ) -> Tensor:
        """Return the output of all heads, [B, H, N, Dh]."""
        ...


def prefix_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix: PrefixSlice,
    *,
    mask: Tensor | None,
    scaling: float,
) -> Tensor:
    """Return attention over prefixes and tokens together, [B, H, N, Dh].

    `softmax(q [Kp; K]^T s + [bias, mask]) [Vp; V]` in plain operators, which a graph of any G runs. Joining the scores
    instead of the keys would copy [B, H, N, N] twice.

    Args:
        query: [B, H, N, Dh].
        key: [B, H, N, Dh].
        value: [B, H, N, Dh].
        prefix: What the task puts before keys and values.
        mask: Boolean [B, 1, N or 1, N], true where a token is visible; None if all are.
        scaling: Factor s on the scores, Dh ** -0.5.
    """
    keys, values, bias = _join(key, value, prefix, mask)
    return (query * scaling @ keys.transpose(-1, -2) + bias).softmax(dim=-1) @ values


def fused_prefix_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix: PrefixSlice,
    *,
    mask: Tensor | None,
    scaling: float,
) -> Tensor:
    """Return what `prefix_attention` returns, by torch's fused kernel: half the time of a step of training."""
    keys, values, bias = _join(key, value, prefix, mask)
    return scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=scaling)


def additive_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix: PrefixSlice,
    *,
    mask: Tensor | None,
    scaling: float,
) -> Tensor:
    """Return attention over tokens plus attention over prefixes, each with a softmax of its own, [B, H, N, Dh].

    `softmax(q K^T s + mask) V + softmax(q Kp^T s + bias) Vp` (LLaMA-Adapter, Zhang et al. 2023, with its gate folded
    into Vp). It leaves the backbone's own weights as they are, and prefixes with values of zero change nothing.
    A prefix that is switched off must have values of zero.

    Args:
        query: [B, H, N, Dh].
        key: [B, H, N, Dh].
        value: [B, H, N, Dh].
        prefix: What the task adds.
        mask: Boolean [B, 1, N or 1, N], true where a token is visible; None if all are.
        scaling: Factor s on the scores, Dh ** -0.5.
    """
    prefix_scores, scores = _scores(query * scaling, key, prefix, mask)
    return scores.softmax(dim=-1) @ value + prefix_scores.softmax(dim=-1) @ prefix.value


def _join(
    key: Tensor, value: Tensor, prefix: PrefixSlice, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return keys and values [B, H, P + N, Dh] of prefixes and tokens, and what is added to their scores."""
    rows, tokens = key.shape[0], key.shape[-2]
    keys, values = (
        torch.cat((own.to(tensor.dtype).expand(rows, -1, -1, -1), tensor), dim=-2)
        for own, tensor in ((prefix.key, key), (prefix.value, value))
    )
    visible = key.new_zeros(rows, 1, 1 if mask is None else mask.shape[-2], tokens)
    if mask is not None:
        visible = visible.masked_fill(~mask, torch.finfo(key.dtype).min)
    own_bias = prefix.bias.to(key.dtype).expand(rows, -1, visible.shape[-2], -1)
    return keys, values, torch.cat((own_bias, visible), dim=-1)


def _scores(query: Tensor, key: Tensor, prefix: PrefixSlice, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the scores of prefixes [B, H, N, P] and of tokens [B, H, N, N]."""
    prefix_scores = query @ prefix.key.transpose(-1, -2) + prefix.bias
    scores = query @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return prefix_scores, scores


def _task_attention(  # noqa: PLR0917 - the signature that transformers calls
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    slot = _slot_of(module)
    prefix = slot.prefix()
    if prefix is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
        return output, None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    output = slot.attend(query, key, value, prefix, mask=attention_mask, scaling=scale)
    return output.transpose(1, 2).contiguous(), None


def _slot_of(module: nn.Module) -> _Slot:
    slot: Any = module.edgecl_slot  # set by InjectedBackbone on every block
    return slot  # type: ignore[no-any-return]  # nn.Module types every attribute as a tensor or module


def _adapter_hook(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
    adapter = _slot_of(module).adapter()
    if adapter is None:
        return output
    down, down_bias, up, up_bias = adapter
    return output + torch.relu(output @ down + down_bias) @ up + up_bias


def _visible_tokens(*, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor | None:
    """Return which tokens are visible, boolean and broadcastable to [B, 1, N, N], or None if all are.

    While a graph is traced the mask keeps one row for all queries: expanding it would cost N times the memory
    and would tie the graph to a shape. Without it, padding would be ignored silently.
    """
    if not torch.compiler.is_compiling():
        return sdpa_mask(attention_mask=attention_mask, **kwargs)
    return None if attention_mask is None else attention_mask[:, None, None, :]


AttentionInterface.register(ATTENTION_NAME, _task_attention)
AttentionMaskInterface.register(ATTENTION_NAME, _visible_tokens)


class InjectedBackbone(nn.Module):
    """A frozen encoder that maps model inputs and, optionally, task tensors to pooled features.

    Without a task the model takes its original path and gives the bits of the untouched model. The backbone is
    frozen by construction: no parameter requires a gradient and `train()` leaves it in evaluation mode.
    Not to be called from several threads at once.
    """

    def __init__(self, model: PreTrainedModel, *, family: Family, pooling: Pooling) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self._active = _Active()
        model.set_attn_implementation(ATTENTION_NAME)
        model.requires_grad_(False)
        model.eval()
        blocks: Any = submodule(model, family.blocks)  # a ModuleList
        for layer, block in enumerate(blocks):
            slot = _Slot(self._active, layer)
            attention, feed_forward = (
                submodule(block, family.attention),
                submodule(block, family.feed_forward),
            )
            attention.edgecl_slot = slot  # type: ignore[assignment]  # a plain attribute, not a module
            feed_forward.edgecl_slot = slot  # type: ignore[assignment]  # as above
            feed_forward.register_forward_hook(_adapter_hook)

    @property
    def attention(self) -> AttentionVariant:
        """How prefixes act: `concat` puts them before keys and values, `additive` adds an attention of their own."""
        return self._active.attention

    def use_attention(self, variant: AttentionVariant, *, first_is_fixed: bool = False) -> None:
        """Let prefixes act in another way; without a task nothing changes.

        Args:
            variant: How they act.
            first_is_fixed: No gradient reaches the prefixes of the first block. Then the backward pass ends at the
                adapter of that block, which spares it its feed-forward net and its attention.
        """
        self._active.attention = variant
        self._active.first_is_fixed = first_is_fixed

    def train(self, mode: bool = True) -> InjectedBackbone:
        """Stay in evaluation mode: a frozen backbone has no dropout."""
        return super().train(False)

    @contextmanager
    def _activated(self, task: TaskInputs | None) -> Iterator[None]:
        self._active.task = task
        try:
            yield
        finally:
            self._active.task = None

    def forward(self, inputs: Mapping[str, Tensor], task: TaskInputs | None = None) -> Tensor:
        """Return pooled features [B, D].

        Args:
            inputs: `pixel_values` [B, 3, S, S], or `input_ids` and `attention_mask` [B, N].
            task: The seven graph inputs of a task, or None for the bare backbone.
        """
        with self._activated(task):
            tokens: Tensor = self.model(**inputs).last_hidden_state
        if self.pooling == "cls":
            return tokens[:, 0]
        weights = inputs["attention_mask"].unsqueeze(-1).to(tokens.dtype)
        return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
