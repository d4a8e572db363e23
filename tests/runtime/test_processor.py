"""What the processor computes: an emulated one may be wrong where a real one is merely slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecl_runtime.engine.onnxruntime import import_onnxruntime

GRAPH = Path(__file__).parents[1] / "data" / "graphs" / "int8-matmul.onnx"
DEPTH, WIDTH, WEIGHT_SCALE = 64, 16, 0.01


@pytest.mark.parametrize("rows", [1, 5, 33])
def test_dynamically_quantised_products_are_exact(rows: int) -> None:
    places = np.indices((DEPTH, WIDTH))
    weight = (places[0] * 31 + places[1] * 17) % 127 - 63
    x = np.random.default_rng(rows).uniform(-3, 5, (rows, DEPTH)).astype(np.float32)
    scale = (max(x.max(), 0) - min(x.min(), 0)) / np.float32(255)
    zero = np.clip(np.rint(-min(x.min(), 0) / scale), 0, 255)
    quantised = np.clip(np.rint(x / scale) + zero, 0, 255)
    expected = (quantised - zero) @ weight * (scale * WEIGHT_SCALE)
    session = import_onnxruntime().InferenceSession(str(GRAPH), providers=["CPUExecutionProvider"])
    # One step of the last bit before rounding is one step of int8 in one place of a row.
    np.testing.assert_allclose(
        session.run(["y"], {"x": x})[0], expected, atol=1.3 * 63 * scale * WEIGHT_SCALE
    )
