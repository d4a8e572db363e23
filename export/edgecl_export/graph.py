"""The one graph of a backbone: every task tensor is an input, and a default of size 0 means "no task"."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.export import Dim

from edgecl_export.errors import TESTED_TORCH, ExportError
from edgecl_runtime.preprocess import ImagePreprocessing
from edgecl_runtime.tensors import GRAPH_INPUTS, graph_shapes

if TYPE_CHECKING:
    from pathlib import Path

    from edgecl.backbones.huggingface import Backbone
    from edgecl.backbones.injection import InjectedBackbone
    from edgecl_runtime.manifest import Dimensions

OPSET = 20  # read by onnxruntime 1.17 and newer
TASK_AXIS = "tasks"  # G: 1, or the batch size

# Sizes the graph is traced with. 0 and 1 would be frozen into it, equal sizes would be taken for one symbol.
_TRACED = {"batch": 3, "prefixes": 5, "rank": 7, "tokens": 11}
_FREE_AXES = {
    "prefix_k": {1: "batch", 3: "prefixes"},
    "prefix_v": {1: "batch", 3: "prefixes"},
    "prefix_bias": {0: "batch", 3: "prefixes"},
    "adapter_down": {1: "batch", 3: "rank"},
    "adapter_down_bias": {1: "batch", 3: "rank"},
    "adapter_up": {1: "batch", 2: "rank"},
    "adapter_up_bias": {1: "batch"},
}


class _PositionalBackbone(nn.Module):
    """The backbone with its inputs and the seven task inputs as positional arguments, as the exporter wants them."""

    def __init__(self, backbone: InjectedBackbone, names: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.names = backbone, names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return features [B, D]."""
        own, task = tensors[: len(self.names)], tensors[len(self.names) :]
        return self.backbone(  # type: ignore[no-any-return]  # nn.Module calls are not annotated
            dict(zip(self.names, own, strict=True)), dict(zip(GRAPH_INPUTS, task, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Traceable:
    """A backbone as torch's exporters take it.

    Attributes:
        module: Takes the inputs in the order of `inputs`.
        inputs: Examples by name: the model's own, then the seven of a task, which has a row for each of the batch.
        axes: The free axes of each input, in the same order.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    axes: tuple[dict[int, Dim], ...]


def make_traceable(backbone: Backbone) -> Traceable:
    """Return a backbone as torch's exporters take it."""
    own = _example_inputs(backbone)
    task = _example_task(backbone.spec.dimensions)
    axes = {
        name: {0: "batch"} if tensor.ndim > 2 else {0: "batch", 1: "tokens"} for name, tensor in own.items()
    }
    axes |= _FREE_AXES
    tensors = own | task
    symbols = {
        "batch": Dim("batch", min=1),
        "prefixes": Dim("prefixes", min=0),
        "rank": Dim("rank", min=0),
        "tokens": Dim("tokens", min=1, max=getattr(backbone.spec.preprocessing, "max_tokens", 2)),
    }
    shapes = tuple({axis: symbols[symbol] for axis, symbol in axes[name].items()} for name in tensors)
    return Traceable(_PositionalBackbone(backbone.module.cpu(), tuple(own)).eval(), tensors, shapes)


def export_graph(backbone: Backbone, path: Path) -> None:
    """Write `backbone.onnx`: model inputs, seven overridable task inputs, output `features` [B, D] float32.

    Raises:
        ExportError: The exporter fails, or its graph does not allow a task per row.
    """
    traceable = make_traceable(backbone)
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                traceable.module,
                tuple(traceable.inputs.values()),
                dynamo=True,
                dynamic_shapes=(traceable.axes,),
                input_names=list(traceable.inputs),
                output_names=["features"],
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"{backbone.spec.source}: torch cannot export the backbone: {error}") from error
    if program is None:
        raise ExportError(f"{backbone.spec.source}: torch returned no graph")
    model = program.model_proto
    make_task_optional(model, backbone.spec.dimensions)
    forget_origin(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def make_task_optional(model: onnx.ModelProto, dimensions: Dimensions) -> None:
    """Give the task inputs an axis of their own for tasks, and defaults of size 0; changes `model` in place.

    A graph is traced with a task per row, so its task axis is the batch. All that uses it broadcasts, so it may
    also be 1; this renames it and forgets the intermediate shapes, which say otherwise.

    Raises:
        ExportError: The graph takes the batch size from a task input in a way that is not known here.
    """
    _take_batch_from_own_input(model)
    free = graph_shapes(dimensions)
    for value in model.graph.input:
        if value.name not in free:
            continue
        for axis, symbol in _FREE_AXES[value.name].items():
            value.type.tensor_type.shape.dim[axis].dim_param = TASK_AXIS if symbol == "batch" else symbol
        shape = [_default_size(value.name, axis, size) for axis, size in enumerate(free[value.name])]
        count = 1
        for size in shape:
            count *= size
        model.graph.initializer.append(
            helper.make_tensor(value.name, TensorProto.FLOAT, shape, b"\0" * 4 * count, raw=True)
        )
    del model.graph.value_info[:]


def forget_origin(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about its origin, in place: paths of this machine and lines of source code."""
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")


def _default_size(name: str, axis: int, size: int | None) -> int:
    if size is not None:
        return size
    return 1 if _FREE_AXES[name][axis] == "batch" else 0


def _take_batch_from_own_input(model: onnx.ModelProto) -> None:
    """Make every node that asks a task input for the batch size ask the model's own input instead.

    While tracing both were the same, and the exporter picks either.
    """
    own = next(value.name for value in model.graph.input if value.name not in GRAPH_INPUTS)
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type != "Shape" or node.input[0] not in GRAPH_INPUTS:
            continue
        window = {attribute.name: attribute.i for attribute in node.attribute}
        start, end, _ = slice(window.get("start"), window.get("end")).indices(ranks[node.input[0]])
        task_axis = next(axis for axis, symbol in _FREE_AXES[node.input[0]].items() if symbol == "batch")
        if (start, end) == (task_axis, task_axis + 1):
            node.input[0] = own
            del node.attribute[:]
            node.attribute.extend([helper.make_attribute("start", 0), helper.make_attribute("end", 1)])
        elif start <= task_axis < end:
            raise ExportError(
                f"the exporter takes the batch size from {node.input[0]}, so the graph cannot serve one task for "
                f"a whole batch. Export with torch {TESTED_TORCH}"
            )


def _example_inputs(backbone: Backbone) -> dict[str, Tensor]:
    preprocessing = backbone.spec.preprocessing
    batch = _TRACED["batch"]
    if isinstance(preprocessing, ImagePreprocessing):
        return {"pixel_values": torch.zeros(batch, 3, preprocessing.size, preprocessing.size)}
    tokens = min(_TRACED["tokens"], preprocessing.max_tokens)
    ids = torch.zeros(batch, tokens, dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _example_task(dimensions: Dimensions) -> dict[str, Tensor]:
    tensors = {}
    for name, shape in graph_shapes(dimensions).items():
        sizes = [_TRACED[_FREE_AXES[name][axis]] if size is None else size for axis, size in enumerate(shape)]
        tensors[name] = torch.zeros(sizes)
    return tensors


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter says about axis names and about libraries that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
