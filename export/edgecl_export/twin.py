"""The explicit twin of a graph: the same, but its task tensors are plain inputs that every call must bring.

TensorRT's parser freezes the defaults of `backbone.onnx` into the engine, and onnxruntime-node runs with them
whatever is fed; neither says so. The twin has nothing that could be frozen: a call without a task feeds tensors
whose P and R are 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from edgecl_runtime.tensors import GRAPH_INPUTS

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto, TensorProto


def write_twin(graph: Path, out: Path) -> None:
    """Write the explicit twin of an exported graph."""
    model = onnx.load(graph)
    take_defaults(model)
    onnx.checker.check_model(model)
    onnx.save(model, out)


def take_defaults(model: ModelProto) -> list[TensorProto]:
    """Remove the defaults of the task inputs from `model`, and return them."""
    initializers = model.graph.initializer
    defaults = [each for each in initializers if each.name in GRAPH_INPUTS]
    for each in defaults:
        initializers.remove(each)
    return defaults
