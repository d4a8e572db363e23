"""Graphs of lower precision: float16, and int8 for the products with frozen weights.

Only the backbone is lowered. The task tensors stay float32 inputs in every precision, so that one pack serves every
graph of its backbone, and the products with them stay in float.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from edgecl_export.graph import forget_origin
from edgecl_export.twin import take_defaults
from edgecl_runtime.engine.onnxruntime import import_onnxruntime

__all__ = ["Feeds", "lower_graph"]

Feeds = Mapping[str, NDArray[Any]]


def lower_graph(
    path: Path, *, precision: str, calibration: Iterable[Feeds] | None, symmetric: bool = False
) -> None:
    """Rewrite an exported graph in a lower precision; its inputs and its output keep their types.

    Args:
        path: The graph in float32.
        precision: `fp16` or `int8`.
        calibration: For int8, what the graph is fed with on real inputs, from which the ranges of its activations
            are taken once (static). None takes them anew in every call, over the whole batch (dynamic): right for
            texts, whose activations differ more from input to input. Entries without task inputs use the defaults.
        symmetric: Whether the ranges of int8 are as far below zero as above, which TensorRT asks for.
    """
    model = onnx.load(path)
    defaults = take_defaults(model)  # or they would be taken for weights
    if precision == "fp16":
        lowered = _to_fp16(model)
    else:
        absent = {each.name: numpy_helper.to_array(each) for each in defaults}
        feeds = None if calibration is None else [{**absent, **each} for each in calibration]
        lowered = _to_int8(model, feeds, symmetric=symmetric)
    lowered.graph.initializer.extend(defaults)
    del lowered.graph.value_info[:]
    forget_origin(lowered)
    onnx.checker.check_model(lowered)
    onnx.save(lowered, path)


def _to_fp16(model: ModelProto) -> ModelProto:
    import_onnxruntime()
    converter = import_module("onnxruntime.transformers.float16")
    lowered: ModelProto = converter.convert_float_to_float16(model, keep_io_types=True)
    import_module("onnxruntime.quantization.onnx_model").ONNXModel(lowered).topological_sort()
    return lowered


def _to_int8(
    model: ModelProto, calibration: list[dict[str, NDArray[Any]]] | None, *, symmetric: bool
) -> ModelProto:
    import_onnxruntime()
    library = import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder, _quiet_quantizer():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        options: dict[str, Any] = {
            "per_channel": True,
            # Processors without dot products of int8 add pairs of them in 16 bits, which weights of 8 bits overflow.
            "reduce_range": True,
            "nodes_to_quantize": _products_with_weights(model),
        }
        if calibration is None:
            library.quantize_dynamic(source, target, **options)
        else:
            options["extra_options"] = {"ActivationSymmetric": symmetric}
            library.quantize_static(source, target, _Reader(calibration), **options)
        return onnx.load(target)


def _products_with_weights(model: ModelProto) -> list[str]:
    """Return the names of the products whose second factor is frozen: not those of attention, nor with a task."""
    frozen = {each.name for each in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]
    return [node.name for node in products if node.input[1] in frozen]


class _Reader:
    """Hands out the feeds of a calibration one by one, as onnxruntime's quantizer asks for them."""

    def __init__(self, feeds: list[dict[str, NDArray[Any]]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


@contextmanager
def _quiet_quantizer() -> Iterator[None]:
    """Silence its advice to simplify graphs first: exported ones are."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
