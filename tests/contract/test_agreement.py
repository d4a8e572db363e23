"""PyTorch, the exported graph and the runtime compute the same, for every family of backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModel

from edgecl.streams import load_task, read_stream
from edgecl.training.features import features as torch_features
from edgecl_runtime import Runtime, TaskTensors
from edgecl_runtime.engine.onnxruntime import open_session
from edgecl_runtime.tensors import GRAPH_INPUTS
from tests.exported import Field, make_tensors

OFF = -1e4

Arrays = Mapping[str, NDArray[Any]]


def untouched_features(field: Field, inputs: Arrays) -> NDArray[np.float32]:
    """Return what the model of `transformers` gives, pooled in numpy; no code of edgecl takes part."""
    model = AutoModel.from_pretrained(field.backbone, attn_implementation="eager").eval()
    with torch.no_grad():
        tokens = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).last_hidden_state
    if field.load().spec.pooling == "cls":
        first: NDArray[np.float32] = tokens[:, 0].numpy()
        return first
    mask = inputs["attention_mask"][..., None]
    mean: NDArray[np.float32] = (tokens.numpy() * mask).sum(axis=1) / mask.sum(axis=1)
    return mean


def injected_features(field: Field, inputs: Arrays, task: Arrays) -> NDArray[np.float32]:
    """Return what the trained-with model gives under a task."""
    with torch.no_grad():
        found = field.load().module(
            *({k: torch.from_numpy(v) for k, v in each.items()} for each in (inputs, task))
        )
    features: NDArray[np.float32] = found.numpy()
    return features


def graph_features(field: Field, inputs: Arrays, task: Arrays | None = None) -> NDArray[np.float32]:
    """Return what the exported graph gives, with the defaults of the task inputs or under a task."""
    session = open_session(field.bundle / "backbone.onnx", ["CPUExecutionProvider"])
    features: NDArray[np.float32] = session.run(["features"], {**inputs, **(task or {})})[0]
    return features


def make_inputs(field: Field, *, rows: int) -> Arrays:
    """Return inputs as the graph wants them; texts of different lengths, padded."""
    random = np.random.default_rng(7)
    if field.modality == "image":
        return {"pixel_values": random.normal(size=(rows, 3, 32, 32)).astype(np.float32)}
    visible = np.arange(9)[None, :] < np.array([9, 3, 6, 1])[:rows, None]
    return {
        "input_ids": random.integers(2, 12, visible.shape) * visible,
        "attention_mask": visible.astype(np.int64),
    }


def task_tensors(field: Field, **sizes: int) -> TaskTensors:
    """Return random tensors for the backbone of a field."""
    return make_tensors(field.load().spec.dimensions, **sizes)


def in_one_call(tasks: Sequence[TaskTensors]) -> dict[str, NDArray[np.float32]]:
    """Return graph inputs with a task per row, all as long as the longest.

    Prefixes are padded with anything and switched off by their bias, ranks are padded with zeros.
    """
    rows = [task.graph_inputs() for task in tasks]
    longest = {name: np.max([row[name].shape for row in rows], axis=0) for name in GRAPH_INPUTS}
    filler = {"prefix_k": 0.7, "prefix_v": -0.9, "prefix_bias": OFF}
    padded: dict[str, NDArray[np.float32]] = {}
    for name in GRAPH_INPUTS:
        widths = [[(0, size) for size in longest[name] - row[name].shape] for row in rows]
        parts = [
            np.pad(row[name], width, constant_values=filler.get(name, 0.0))
            for row, width in zip(rows, widths, strict=True)
        ]
        padded[name] = np.concatenate(parts, axis=0 if name == "prefix_bias" else 1)
    return padded


def row_of(inputs: Arrays, row: int) -> Arrays:
    """Return one row of a batch."""
    return {name: array[row : row + 1] for name, array in inputs.items()}


def test_without_a_task_the_graph_gives_the_features_of_the_untouched_model(field: Field) -> None:
    inputs = make_inputs(field, rows=4)
    np.testing.assert_allclose(
        graph_features(field, inputs), untouched_features(field, inputs), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(("prefix_length", "rank"), [(4, 3), (0, 5), (6, 0), (1, 1)])
def test_under_a_task_the_graph_gives_the_features_of_torch(
    field: Field, prefix_length: int, rank: int
) -> None:
    inputs = make_inputs(field, rows=4)
    task = task_tensors(field, prefix_length=prefix_length, rank=rank).graph_inputs()
    np.testing.assert_allclose(
        graph_features(field, inputs, task), injected_features(field, inputs, task), rtol=0, atol=1e-4
    )


def test_a_task_changes_the_features(field: Field) -> None:
    inputs = make_inputs(field, rows=2)
    task = task_tensors(field).graph_inputs()
    assert np.abs(graph_features(field, inputs, task) - graph_features(field, inputs)).max() > 0.1


def test_one_task_for_a_batch_equals_the_same_task_in_every_row(field: Field) -> None:
    inputs, task = make_inputs(field, rows=4), task_tensors(field)
    per_row = graph_features(field, inputs, in_one_call([task] * 4))
    np.testing.assert_allclose(graph_features(field, inputs, task.graph_inputs()), per_row, rtol=0, atol=1e-5)


def test_rows_of_different_tasks_lengths_and_ranks_share_a_call(field: Field) -> None:
    inputs = make_inputs(field, rows=4)
    sizes = [(4, 3), (1, 5), (7, 0), (0, 2)]
    tasks = [task_tensors(field, seed=seed, prefix_length=p, rank=r) for seed, (p, r) in enumerate(sizes)]
    together = graph_features(field, inputs, in_one_call(tasks))
    alone = [
        graph_features(field, row_of(inputs, row), task.graph_inputs()) for row, task in enumerate(tasks)
    ]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=0, atol=1e-5)


def test_a_row_without_a_task_shares_a_call_with_one_that_has_one(field: Field) -> None:
    inputs = make_inputs(field, rows=2)
    task, none = (task_tensors(field, prefix_length=p, rank=p) for p in (4, 0))
    none.adapter_up_bias[:] = 0
    together = graph_features(field, inputs, in_one_call([none, task]))
    np.testing.assert_allclose(together[:1], untouched_features(field, inputs)[:1], rtol=0, atol=1e-5)


def test_rows_of_a_batch_do_not_influence_each_other(field: Field) -> None:
    inputs, task = make_inputs(field, rows=4), task_tensors(field).graph_inputs()
    alone = [graph_features(field, row_of(inputs, row), task) for row in range(4)]
    np.testing.assert_allclose(graph_features(field, inputs, task), np.concatenate(alone), rtol=0, atol=1e-5)


def test_labels_are_the_same_on_every_held_out_input(field: Field) -> None:
    backbone, runtime = field.load(), Runtime.open(field.bundle)
    for task in field.tasks:
        data = load_task(spec_of(field, task), seed=0)
        prepared = backbone.preprocessor.prepare(data.test.items)
        tensors = runtime.pack(task).tensors
        found = torch_features(backbone.module, prepared, preprocessor=backbone.preprocessor, task=tensors)
        scores = found @ tensors.head_weight.T.astype(np.float32) + tensors.head_bias
        expected = tuple(data.labels[best] for best in scores.argmax(axis=1))
        assert runtime.predict(data.test.items, task=task).labels == expected


def spec_of(field: Field, task: str) -> Any:
    """Return the specification of a task in the stream of a field."""
    return next(spec for spec in read_stream(field.stream).tasks if spec.name == task)


def test_a_prediction_is_the_features_of_torch_and_a_head_in_numpy(field: Field) -> None:
    backbone, task = field.load(), field.tasks[0]
    items = load_task(spec_of(field, task), seed=0).test.items
    tensors = field.run.tensors(task).rounded("F16")
    prepared = backbone.preprocessor.prepare(items)
    features = torch_features(backbone.module, prepared, preprocessor=backbone.preprocessor, task=tensors)
    powers = np.exp(features @ tensors.head_weight.T.astype(np.float64) + tensors.head_bias)
    prediction = Runtime.open(field.bundle).predict(items, task=task)
    np.testing.assert_allclose(prediction.features, features, rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        prediction.probabilities, powers / powers.sum(axis=1, keepdims=True), rtol=0, atol=1e-5
    )


def test_the_accuracy_in_a_pack_is_what_the_runtime_reaches(field: Field) -> None:
    runtime, task = Runtime.open(field.bundle), field.tasks[0]
    data = load_task(spec_of(field, task), seed=0)
    labels = np.array(runtime.predict(data.test.items, task=task).labels)
    accuracy = 100 * (labels == np.array(data.labels)[data.test.targets]).mean()
    assert runtime.pack(task).manifest.metrics["accuracy"] == pytest.approx(accuracy)
