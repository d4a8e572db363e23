"""The golden graph against the same mathematics in numpy: golden files cannot hide a transposed tensor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.runtime.engine.factories import make_engine, place
from tests.runtime.factories import IMAGE_BUNDLE, make_tensors

onnx = pytest.importorskip("onnx")

Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]


def read_weights() -> Weights:
    graph = onnx.load(str(IMAGE_BUNDLE / "backbone.onnx")).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {name: array.astype(np.float64) for name, array in arrays.items()}


def normed(x: Floats) -> Floats:
    centred: Floats = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return centred


def attend(h: Floats, weights: Weights, task: Weights, layer: int) -> Floats:
    q, k, v = ((h @ weights[f"{name}_{layer}"]).reshape(-1, 2, 4).swapaxes(0, 1) for name in "qkv")
    keys = np.concatenate([task["prefix_k"][layer], k], axis=1)
    values = np.concatenate([task["prefix_v"][layer], v], axis=1)
    scores = np.exp(q @ keys.swapaxes(1, 2) / 2)
    mixed = scores / scores.sum(-1, keepdims=True) @ values
    output: Floats = mixed.swapaxes(0, 1).reshape(-1, 8) @ weights[f"out_{layer}"]
    return output


def run_reference(pixels: Floats, weights: Weights, task: Weights) -> Floats:
    patches = pixels.reshape(3, 2, 4, 2, 4).transpose(1, 3, 0, 2, 4).reshape(4, 48)
    x = patches @ weights["embedding"] + weights["positions"]
    for layer in range(2):
        x = x + attend(normed(x), weights, task, layer)
        m = np.maximum(normed(x) @ weights[f"up_{layer}"], 0) @ weights[f"down_{layer}"]
        low = np.maximum(m @ task["adapter_down"][layer] + task["adapter_down_bias"][layer], 0)
        x = x + m + low @ task["adapter_up"][layer] + task["adapter_up_bias"][layer]
    pooled: Floats = x.mean(axis=0)
    return pooled


@pytest.mark.parametrize(("prefix_length", "rank"), [(3, 2), (1, 7), (0, 3), (4, 0)])
def test_the_graph_computes_what_the_design_says(prefix_length: int, rank: int) -> None:
    tensors = make_tensors(prefix_length=prefix_length, rank=rank, dtype="F32")
    pixels = np.random.default_rng(3).normal(size=(1, 3, 8, 8)).astype(np.float32)
    features = place(make_engine(), tensors).run({"pixel_values": pixels})
    task = {name: array.astype(np.float64) for name, array in tensors.items()}
    np.testing.assert_allclose(
        features[0], run_reference(pixels[0].astype(np.float64), read_weights(), task), atol=1e-4
    )
