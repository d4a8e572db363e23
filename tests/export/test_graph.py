from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgecl_export.errors import ExportError
from edgecl_export.graph import OPSET, export_graph, make_task_optional
from edgecl_runtime.engine.onnxruntime import Session, import_onnxruntime, open_session
from edgecl_runtime.tensors import GRAPH_INPUTS, graph_shapes
from tests.edgecl.factories import DIMENSIONS
from tests.exported import Field

TASK_SYMBOLS: dict[str, list[int | str]] = {
    "prefix_k": [2, "tasks", 4, "prefixes", 16],
    "prefix_v": [2, "tasks", 4, "prefixes", 16],
    "prefix_bias": ["tasks", 1, 1, "prefixes"],
    "adapter_down": [2, "tasks", 64, "rank"],
    "adapter_down_bias": [2, "tasks", 1, "rank"],
    "adapter_up": [2, "tasks", "rank", 64],
    "adapter_up_bias": [2, "tasks", 1, 64],
}
DEFAULT_SHAPES = {
    "prefix_k": [2, 1, 4, 0, 16],
    "prefix_v": [2, 1, 4, 0, 16],
    "prefix_bias": [1, 1, 1, 0],
    "adapter_down": [2, 1, 64, 0],
    "adapter_down_bias": [2, 1, 1, 0],
    "adapter_up": [2, 1, 0, 64],
    "adapter_up_bias": [2, 1, 1, 64],
}


def load_graph(field: Field) -> onnx.ModelProto:
    """Return the exported graph."""
    return onnx.load(field.bundle / "backbone.onnx")


def symbols(value: onnx.ValueInfoProto) -> list[int | str]:
    """Return the sizes of an input or output, with names where they are free."""
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def make_graph(source: str, **window: int) -> onnx.ModelProto:
    """Return a graph as the exporter gives it, whose output has sizes of an input that a Shape node reads."""
    node = helper.make_node("Shape", [source], ["size"], **window)  # type: ignore[arg-type]  # attributes
    axes = {
        name: ["batch" if axis == 1 or size is None else size for axis, size in enumerate(shape)]
        for name, shape in graph_shapes(DIMENSIONS).items()
    }
    shapes: dict[str, list[Any]] = {"pixel_values": ["batch", 3, 32, 32], **axes}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    output = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch"])
    expand = helper.make_node("Expand", ["one", "size"], ["features"])
    graph = helper.make_graph([node, expand], "made", inputs, [output], [one])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def task_feeds(*, groups: int, prefixes: int, rank: int) -> dict[str, NDArray[np.float32]]:
    """Return random task inputs of these sizes."""
    free = {"tasks": groups, "prefixes": prefixes, "rank": rank}
    random = np.random.default_rng(0)
    return {
        name: random.normal(size=[free[size] if isinstance(size, str) else size for size in sizes]).astype(
            np.float32
        )
        for name, sizes in TASK_SYMBOLS.items()
    }


def run_model(model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the output of a graph in memory."""
    session = import_onnxruntime().InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: NDArray[Any] = session.run(None, dict(feeds))[0]
    return found


@pytest.fixture(scope="module")
def image_session(image_field: Field) -> Session:
    """The exported ViT, opened once."""
    return open_session(image_field.bundle / "backbone.onnx", ["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def text_session(text_field: Field) -> Session:
    """The exported BERT, opened once."""
    return open_session(text_field.bundle / "backbone.onnx", ["CPUExecutionProvider"])


def test_an_image_graph_has_the_images_and_the_seven_task_inputs(image_field: Field) -> None:
    graph = load_graph(image_field).graph
    assert [value.name for value in graph.input] == ["pixel_values", *GRAPH_INPUTS]
    assert [value.name for value in graph.output] == ["features"]


def test_a_text_graph_has_the_tokens_and_the_seven_task_inputs(text_field: Field) -> None:
    names = [value.name for value in load_graph(text_field).graph.input]
    assert names == ["input_ids", "attention_mask", *GRAPH_INPUTS]


def test_every_task_input_has_a_default_of_one_task_without_prefix_and_rank(image_field: Field) -> None:
    initializers = {each.name: each for each in load_graph(image_field).graph.initializer}
    found = {name: list(initializers[name].dims) for name in GRAPH_INPUTS}
    assert found == DEFAULT_SHAPES
    assert not any(onnx.numpy_helper.to_array(initializers[name]).any() for name in GRAPH_INPUTS)


def test_only_the_task_inputs_are_both_input_and_default(text_field: Field) -> None:
    graph = load_graph(text_field).graph
    both = {value.name for value in graph.input} & {each.name for each in graph.initializer}
    assert both == set(GRAPH_INPUTS)


def test_the_free_sizes_of_an_image_graph_have_names(image_field: Field) -> None:
    found = {value.name: symbols(value) for value in load_graph(image_field).graph.input}
    assert found == {"pixel_values": ["batch", 3, 32, 32], **TASK_SYMBOLS}


def test_the_free_sizes_of_a_text_graph_have_names(text_field: Field) -> None:
    found = {value.name: symbols(value) for value in load_graph(text_field).graph.input}
    tokens = ["batch", "tokens"]
    assert found == {"input_ids": tokens, "attention_mask": tokens, **TASK_SYMBOLS}


def test_features_are_a_row_of_the_width_per_item(image_field: Field) -> None:
    (features,) = load_graph(image_field).graph.output
    assert symbols(features) == ["batch", 64]


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_older_onnxruntimes_read_the_graph(name: str, request: pytest.FixtureRequest) -> None:
    model = load_graph(request.getfixturevalue(name))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert model.ir_version <= 10


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_the_graph_is_one_file_of_standard_operators(name: str, request: pytest.FixtureRequest) -> None:
    model = load_graph(request.getfixturevalue(name))
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(each.data_location == TensorProto.EXTERNAL for each in model.graph.initializer)


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_the_graph_says_nothing_about_the_machine_that_made_it(
    name: str, request: pytest.FixtureRequest
) -> None:
    raw = (request.getfixturevalue(name).bundle / "backbone.onnx").read_bytes()
    for trace in (b"site-packages", b"stack_trace", b".py", str(Path.cwd()).encode()):
        assert trace not in raw.replace(b"pytorch", b"")


@settings(max_examples=25, deadline=None)
@given(
    rows=st.sampled_from([1, 2, 5]),
    per_row=st.booleans(),
    prefixes=st.integers(0, 5),
    rank=st.integers(0, 5),
)
def test_images_run_with_any_batch_prefix_length_and_rank(
    image_session: Session, *, rows: int, per_row: bool, prefixes: int, rank: int
) -> None:
    task = task_feeds(groups=rows if per_row else 1, prefixes=prefixes, rank=rank)
    images = np.random.default_rng(1).normal(size=(rows, 3, 32, 32)).astype(np.float32)
    features = image_session.run(["features"], {"pixel_values": images, **task})[0]
    assert features.shape == (rows, 64)
    assert np.isfinite(features).all()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.sampled_from([1, 2, 5]),
    per_row=st.booleans(),
    tokens=st.integers(1, 24),
    prefixes=st.integers(0, 5),
    rank=st.integers(0, 5),
)
def test_texts_run_with_any_batch_length_prefix_length_and_rank(
    text_session: Session, *, rows: int, per_row: bool, tokens: int, prefixes: int, rank: int
) -> None:
    ids = np.random.default_rng(1).integers(0, 12, (rows, tokens))
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    task = task_feeds(groups=rows if per_row else 1, prefixes=prefixes, rank=rank)
    features = text_session.run(["features"], {**feeds, **task})[0]
    assert features.shape == (rows, 64)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_without_task_inputs_the_defaults_serve_any_batch(image_session: Session, rows: int) -> None:
    images = np.zeros((rows, 3, 32, 32), np.float32)
    assert image_session.run(["features"], {"pixel_values": images})[0].shape == (rows, 64)


@pytest.mark.parametrize("window", [{"start": 0, "end": 1}, {"start": -4, "end": -3}, {"end": 1}])
def test_a_batch_size_that_was_taken_from_a_task_is_taken_from_the_images(window: dict[str, int]) -> None:
    model = make_graph("prefix_bias", **window)
    make_task_optional(model, DIMENSIONS)
    onnx.checker.check_model(model)
    images = np.zeros((5, 3, 32, 32), np.float32)
    assert run_model(model, {"pixel_values": images}).shape == (5,)


def test_a_size_that_is_not_the_batch_stays_where_it_is() -> None:
    model = make_graph("prefix_k", start=3, end=4)
    make_task_optional(model, DIMENSIONS)
    task = task_feeds(groups=1, prefixes=3, rank=0)
    feeds = {**task, "pixel_values": np.zeros((5, 3, 32, 32), np.float32)}
    # the made graph has the sizes of DIMENSIONS, as the tiny backbones do
    assert run_model(model, feeds).shape == (3,)


@pytest.mark.parametrize("window", [{}, {"start": 0, "end": 2}, {"start": 0, "end": -1}, {"start": -5}])
def test_a_graph_that_reads_the_batch_size_among_others_from_a_task_is_refused(
    window: dict[str, int],
) -> None:
    model = make_graph("prefix_k", **window)
    with pytest.raises(ExportError, match="takes the batch size from prefix_k.*Export with torch"):
        make_task_optional(model, DIMENSIONS)


def test_intermediate_shapes_of_the_traced_graph_are_forgotten() -> None:
    model = make_graph("pixel_values", start=0, end=1)
    model.graph.value_info.append(helper.make_tensor_value_info("size", TensorProto.INT64, [1]))
    make_task_optional(model, DIMENSIONS)
    assert len(model.graph.value_info) == 0


def test_a_backbone_that_torch_cannot_export_is_an_export_error(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.OnnxExporterError("no such operator")

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(ExportError, match="backbone: torch cannot export the backbone: no such operator"):
        export_graph(image_field.load(), tmp_path / "backbone.onnx")
    assert list(tmp_path.iterdir()) == []
