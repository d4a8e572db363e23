"""The encoders with prefixes and adapters, written from their equations in numpy, float64, one row at a time.

Shapes: B rows of N tokens of width D; a task has P prefixes of size Dh per head. Weights go by their own names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Visible = NDArray[np.bool_]
Weights = Mapping[str, Array]

_erf = np.vectorize(math.erf)
_ONE = np.ones(1)


def vit_features(weights: Weights, pixels: Array, task: Weights, *, config: Any) -> Array:
    """Return the class token [B, D] of a ViT, DeiT or DINOv2: blocks that normalise first, DINOv2's with scales."""
    return np.stack([_vit_row(weights, row, _task_of(task, i), config) for i, row in enumerate(pixels)])


def bert_features(
    weights: Weights, ids: NDArray[np.int64], visible: Visible, task: Weights, *, config: Any
) -> Array:
    """Return the first token [B, D] of a BERT: blocks that normalise last."""
    return np.stack(
        [_bert_row(weights, ids[i], visible[i], _task_of(task, i), config) for i in range(len(ids))]
    )


def timm_features(weights: Weights, image: Array, *, patch: int, head_dim: int) -> Array:
    """Return the class token [D] of timm's `VisionTransformer` under its own names, without a task."""
    patches = _patches(weights, "patch_embed.proj", image, patch)
    tokens = np.concatenate([weights["cls_token"][0], patches]) + weights["pos_embed"][0]
    nothing, every = (
        (np.zeros((0, head_dim)), np.zeros((0, head_dim)), np.zeros(0)),
        np.ones(len(tokens), bool),
    )
    for layer in range(sum(name.endswith("attn.qkv.weight") for name in weights)):
        block = f"blocks.{layer}"
        fused = _linear(weights, f"{block}.attn.qkv", _normalise(weights, f"{block}.norm1", tokens, 1e-6))
        query, key, value = fused.reshape(len(tokens), 3, -1, head_dim).transpose(1, 2, 0, 3)
        heads = range(len(query))
        mixed = [attention(query[head], key[head], value[head], nothing, every) for head in heads]
        tokens = tokens + _linear(weights, f"{block}.attn.proj", np.concatenate(mixed, axis=-1))
        normal = _normalise(weights, f"{block}.norm2", tokens, 1e-6)
        tokens = tokens + _feed_forward(weights, f"{block}.mlp.fc1", f"{block}.mlp.fc2", normal)
    first: Array = _normalise(weights, "norm", tokens, 1e-6)[0]
    return first


def attention(
    query: Array, key: Array, value: Array, prefix: tuple[Array, Array, Array], visible: Visible
) -> Array:
    """Return attention of one head, [N, Dh], over P prefixes that stand before the N tokens."""
    prefix_key, prefix_value, prefix_bias = prefix
    keys, values = np.concatenate([prefix_key, key]), np.concatenate([prefix_value, value])
    offset = np.concatenate([prefix_bias, np.where(visible, 0.0, -np.inf)])
    scores = query @ keys.T / math.sqrt(query.shape[-1]) + offset
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed: Array = odds / odds.sum(axis=-1, keepdims=True) @ values
    return mixed


def _vit_row(weights: Weights, image: Array, task: Weights, config: Any) -> Array:
    eps, is_dinov2 = config.layer_norm_eps, config.model_type == "dinov2"
    layers = "encoder.layer" if is_dinov2 else "layers"
    norms = ("norm1", "norm2") if is_dinov2 else ("layernorm_before", "layernorm_after")
    special = [f"embeddings.{name}" for name in ("cls_token", "distillation_token")]
    patches = _patches(weights, "embeddings.patch_embeddings.projection", image, config.patch_size)
    tokens = np.concatenate([*(weights[name][0] for name in special if name in weights), patches])
    tokens = tokens + weights["embeddings.position_embeddings"][0]
    for layer in range(config.num_hidden_layers):
        block = f"{layers}.{layer}"
        names = [f"{block}.attention.{kind}_proj" for kind in "qkv"]
        normal = _normalise(weights, f"{block}.{norms[0]}", tokens, eps)
        mixed = _heads(weights, names, normal, task, layer=layer, visible=np.ones(len(tokens), bool))
        mixed = _linear(weights, f"{block}.attention.o_proj", mixed)
        tokens = tokens + mixed * weights.get(f"{block}.layer_scale1.lambda1", _ONE)
        normal = _normalise(weights, f"{block}.{norms[1]}", tokens, eps)
        out = _feed_forward(weights, f"{block}.mlp.fc1", f"{block}.mlp.fc2", normal)
        tokens = tokens + _adapted(out * weights.get(f"{block}.layer_scale2.lambda1", _ONE), task, layer)
    first: Array = _normalise(weights, "layernorm", tokens, eps)[0]
    return first


def _bert_row(
    weights: Weights, ids: NDArray[np.int64], visible: Visible, task: Weights, config: Any
) -> Array:
    eps = config.layer_norm_eps
    words, kinds = (
        weights["embeddings.word_embeddings.weight"],
        weights["embeddings.token_type_embeddings.weight"],
    )
    tokens = words[ids] + weights["embeddings.position_embeddings.weight"][: len(ids)] + kinds[0]
    tokens = _normalise(weights, "embeddings.LayerNorm", tokens, eps)
    for layer in range(config.num_hidden_layers):
        block = f"encoder.layer.{layer}"
        names = [f"{block}.attention.self.{kind}" for kind in ("query", "key", "value")]
        mixed = _heads(weights, names, tokens, task, layer=layer, visible=visible)
        mixed = _linear(weights, f"{block}.attention.output.dense", mixed)
        tokens = _normalise(weights, f"{block}.attention.output.LayerNorm", tokens + mixed, eps)
        out = _feed_forward(weights, f"{block}.intermediate.dense", f"{block}.output.dense", tokens)
        tokens = tokens + _adapted(out, task, layer)
        tokens = _normalise(weights, f"{block}.output.LayerNorm", tokens, eps)
    first: Array = tokens[0]
    return first


def _patches(weights: Weights, name: str, image: Array, patch: int) -> Array:
    """Return the embedded squares of an image [3, S, S], row by row."""
    starts = range(0, image.shape[-1], patch)
    squares = [image[:, y : y + patch, x : x + patch].reshape(-1) for y in starts for x in starts]
    kernel = weights[f"{name}.weight"].reshape(-1, 3 * patch**2)
    embedded: Array = np.stack(squares) @ kernel.T + weights[f"{name}.bias"]
    return embedded


def _heads(
    weights: Weights, names: list[str], tokens: Array, task: Weights, *, layer: int, visible: Visible
) -> Array:
    """Return attention of all heads, [N, D], before the output projection."""
    projected = [_linear(weights, name, tokens) for name in names]
    mixed = []
    for head, prefix_key in enumerate(task["prefix_k"][layer]):
        size = prefix_key.shape[-1]
        query, key, value = (array[:, head * size : (head + 1) * size] for array in projected)
        prefix = (prefix_key, task["prefix_v"][layer, head], task["prefix_bias"])
        mixed.append(attention(query, key, value, prefix, visible))
    return np.concatenate(mixed, axis=-1)


def _adapted(out: Array, task: Weights, layer: int) -> Array:
    inner = np.maximum(0.0, out @ task["adapter_down"][layer] + task["adapter_down_bias"][layer])
    adapted: Array = out + inner @ task["adapter_up"][layer] + task["adapter_up_bias"][layer]
    return adapted


def _task_of(task: Weights, row: int) -> dict[str, Array]:
    """Return the graph inputs of one row without the axis G: the bias [P], the others [L, ...]."""
    stacked = {name: array[:, row % array.shape[1]] for name, array in task.items() if name != "prefix_bias"}
    bias = task["prefix_bias"]
    return stacked | {"prefix_bias": bias[row % len(bias)].reshape(-1)}


def _feed_forward(weights: Weights, first: str, second: str, tokens: Array) -> Array:
    """Return the two layers of a block with the exact GELU between them."""
    wide = _linear(weights, first, tokens)
    return _linear(weights, second, wide * 0.5 * (1.0 + _erf(wide / math.sqrt(2.0))))


def _linear(weights: Weights, name: str, tokens: Array) -> Array:
    mapped: Array = tokens @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return mapped


def _normalise(weights: Weights, name: str, tokens: Array, eps: float) -> Array:
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    normal: Array = scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return normal
