"""Writes graphs/int8-matmul.onnx: a dynamically quantised product, as int8 text backbones are made of.

The weights have 7 bits: with 8 an x86 processor without VNNI instructions saturates sums of two products.

    python tests/data/make_int8_graph.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DEPTH, WIDTH, WEIGHT_SCALE = 64, 16, 0.01


def main() -> None:
    """Write the graph beside this file."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_int8", "x_scale", "x_zero"]),
        helper.make_node("MatMulInteger", ["x_int8", "weight", "x_zero", "weight_zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["product_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x_scale", "weight_scale"], ["scale"]),
        helper.make_node("Mul", ["product_float", "scale"], ["y"]),
    ]
    rows, columns = np.indices((DEPTH, WIDTH))
    weight = ((rows * 31 + columns * 17) % 127 - 63).astype(np.int8)
    graph = helper.make_graph(
        nodes,
        "int8-matmul",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", DEPTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", WIDTH])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array(0, np.int8), "weight_zero"),
            numpy_helper.from_array(np.array(WEIGHT_SCALE, np.float32), "weight_scale"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path = Path(__file__).parent / "graphs" / "int8-matmul.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
