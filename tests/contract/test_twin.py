"""The explicit twin computes what the graph with defaults does, for every task and every way to fill it up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgecl_export.twin import write_twin
from edgecl_runtime.engine.bank import stack
from edgecl_runtime.engine.onnxruntime import Session, open_session
from edgecl_runtime.tensors import GRAPH_INPUTS
from tests.contract.test_agreement import make_inputs, task_tensors
from tests.exported import Field

CPU = ["CPUExecutionProvider"]
SIZES = [(0, 0), (4, 0), (0, 3), (4, 3), (1, 1)]
LONGEST = (7, 5)


@pytest.fixture(scope="module")
def twin_path(field: Field, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The twin of each family in turn."""
    path = tmp_path_factory.mktemp("twin") / "backbone.explicit.onnx"
    write_twin(field.bundle / "backbone.onnx", path)
    return path


@pytest.fixture(scope="module")
def twin(twin_path: Path) -> Session:
    return open_session(twin_path, CPU)


@pytest.fixture(scope="module")
def graph(field: Field) -> Session:
    return open_session(field.bundle / "backbone.onnx", CPU)


def run(session: Session, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    features: NDArray[np.float32] = session.run(["features"], feeds)[0]
    return features


def test_every_input_of_a_twin_is_required(twin_path: Path, twin: Session) -> None:
    graph = onnx.load(twin_path).graph
    assert not {value.name for value in graph.input} & {each.name for each in graph.initializer}
    assert list(twin.get_overridable_initializers()) == []


def test_a_twin_has_the_inputs_of_the_graph(field: Field, twin_path: Path) -> None:
    twin, graph = (onnx.load(path).graph for path in (twin_path, field.bundle / "backbone.onnx"))
    assert [value.SerializeToString() for value in twin.input] == [
        value.SerializeToString() for value in graph.input
    ]


def test_task_inputs_of_size_0_are_no_task(field: Field, twin: Session, graph: Session) -> None:
    inputs, none = make_inputs(field, rows=3), stack([None], field.load().spec.dimensions)
    np.testing.assert_allclose(run(twin, {**inputs, **none}), run(graph, inputs), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("prefix_length", "rank"), SIZES)
def test_a_task_gives_what_it_gives_in_the_graph(
    field: Field, twin: Session, graph: Session, prefix_length: int, rank: int
) -> None:
    feeds = {
        **make_inputs(field, rows=3),
        **task_tensors(field, prefix_length=prefix_length, rank=rank).graph_inputs(),
    }
    np.testing.assert_array_equal(run(twin, feeds), run(graph, feeds))


@pytest.mark.parametrize(("prefix_length", "rank"), SIZES)
def test_a_task_filled_up_to_a_fixed_size_gives_the_same(
    field: Field, twin: Session, graph: Session, prefix_length: int, rank: int
) -> None:
    inputs = make_inputs(field, rows=2)
    task = task_tensors(field, prefix_length=prefix_length, rank=rank)
    largest = task_tensors(field, prefix_length=LONGEST[0], rank=LONGEST[1])
    filled = stack([task, largest], field.load().spec.dimensions)
    assert {filled["prefix_k"].shape[3], filled["adapter_up"].shape[2]} == set(LONGEST)
    expected = run(graph, {**inputs, **task.graph_inputs()})[:1]
    np.testing.assert_allclose(run(twin, {**inputs, **filled})[:1], expected, rtol=0, atol=1e-5)


def test_onnxruntime_refuses_a_twin_without_its_task_inputs(field: Field, twin: Session) -> None:
    with pytest.raises(ValueError, match="Required inputs .* are missing"):
        run(twin, make_inputs(field, rows=1))


def test_the_names_are_those_of_the_contract(twin: Session) -> None:
    assert [node.name for node in twin.get_inputs()][-len(GRAPH_INPUTS) :] == list(GRAPH_INPUTS)
