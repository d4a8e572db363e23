from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecl_export import packs, parity
from edgecl_export.errors import ParityError
from edgecl_export.packs import open_gate
from edgecl_export.parity import Parity, Reference, compare_bare, compare_task
from edgecl_export.plan import PackPlan
from edgecl_runtime import read_bundle
from tests.exported import Field, export, make_tensors, reuse_graph


def make_parity(**changes: object) -> Parity:
    """Return a measurement that passes."""
    passed = Parity(
        task="leaves", items=8, max_difference=1e-6, torch_difference=1e-6, tolerance=1e-4, labels_differ=0
    )
    return dataclasses.replace(passed, **changes)  # type: ignore[arg-type]  # tests give values of each type


def tamper(graph: Path) -> None:
    """Change one weight of a graph by 0.01."""
    model = onnx.load(graph)
    weight = max(model.graph.initializer, key=lambda each: math.prod(each.dims))
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] += 1e-2
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, graph)


def fail_task(monkeypatch: pytest.MonkeyPatch, task: str, **changes: object) -> None:
    """Let the gate measure something else for one task."""

    def compare(*arguments: object, **options: object) -> Parity:
        found = compare_task(*arguments, **options)  # type: ignore[arg-type]  # handed on as they are
        return dataclasses.replace(found, **changes) if found.task == task else found  # type: ignore[arg-type]

    monkeypatch.setattr(packs, "compare_task", compare)


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_an_export_measures_the_bare_backbone_and_then_every_task(
    name: str, request: pytest.FixtureRequest
) -> None:
    field: Field = request.getfixturevalue(name)
    assert [measured.task for measured in field.said] == [None, *field.tasks]
    assert all(measured.holds for measured in field.said)


def test_a_task_is_compared_on_all_held_out_items_and_the_backbone_on_those_of_every_task(
    image_field: Field,
) -> None:
    bare, *tasks = image_field.said
    assert [measured.items for measured in tasks] == [6, 6, 6]
    assert bare.items == 18


def test_parity_json_holds_what_was_said_during_the_export(image_field: Field) -> None:
    stored = json.loads((image_field.bundle / "parity.json").read_text(encoding="utf-8"))
    assert stored == [dataclasses.asdict(measured) for measured in image_field.said]
    assert image_field.exported.parity == image_field.said


def test_the_tolerances_are_1e_5_without_and_1e_4_with_a_task(image_field: Field) -> None:
    assert [measured.tolerance for measured in image_field.said] == [1e-5, 1e-4, 1e-4, 1e-4]


def test_a_graph_with_one_changed_weight_does_not_pass(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx", change=tamper)
    with pytest.raises(ParityError, match="^the bare backbone: features differ by .* on 18 held-out inputs"):
        export(image_field.run, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_fails_gets_no_pack_and_the_others_do(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    fail_task(monkeypatch, "hues", max_difference=0.5)
    exported, said = export(image_field.run, tmp_path / "bundle")
    names = ["shades-1.ecpack", "tones-1.ecpack"]
    assert [path.name for path in exported.packs] == names
    assert sorted(path.name for path in (tmp_path / "bundle" / "packs").iterdir()) == names
    assert [measured.task for measured in said] == [None, "shades", "hues", "tones"]
    assert str(exported.refused[0]).startswith(
        "task 'hues': features differ by 5.0e-01 between torch and onnxruntime on 6 held-out inputs (allowed: 1e-04)"
    )


def test_one_other_label_is_enough_to_fail(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    fail_task(monkeypatch, "hues", labels_differ=1)
    exported, _ = export(image_field.run, tmp_path / "bundle")
    assert "labels on 1 of them" in str(exported.refused[0])


def test_a_tolerance_of_nothing_refuses_every_task(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    monkeypatch.setattr(parity, "TASK_TOLERANCE", 0.0)
    monkeypatch.setattr(parity, "OWN_ERRORS", 0.0)
    monkeypatch.setattr(parity, "NO_TASK_TOLERANCE", 1.0)
    exported, _ = export(image_field.run, tmp_path / "bundle")
    assert (exported.packs, len(exported.refused)) == ((), 3)


def test_the_gate_sees_what_a_task_does_in_every_block(image_field: Field) -> None:
    backbone, heldout = image_field.load(), image_field.run.heldout("shades").prepared
    gate = open_gate(Reference(backbone), read_bundle(image_field.bundle), plan=PackPlan())
    tensors = make_tensors(backbone.spec.dimensions)
    features = compare_task(
        gate.reference, gate.engine, backbone.preprocessor, heldout, task="strong", tensors=tensors
    )
    assert features.holds
    assert features.max_difference > 0


def test_the_bare_comparison_counts_no_labels(image_field: Field) -> None:
    heldout = image_field.run.heldout("shades").prepared
    reference = Reference(image_field.load())
    gate = open_gate(reference, read_bundle(image_field.bundle), plan=PackPlan())
    measured = compare_bare(reference, gate.engine, reference.preprocessor, heldout)
    assert (measured.task, measured.items, measured.labels_differ) == (None, 6, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_difference": 2e-4},
        {"labels_differ": 1},
        {"max_difference": np.nan},
        {"max_difference": np.inf, "tolerance": np.inf},
    ],
)
def test_a_measurement_beyond_what_is_allowed_does_not_hold(changes: dict[str, float]) -> None:
    assert make_parity().holds
    assert not make_parity(**changes).holds


def test_what_holds_is_required_in_silence() -> None:
    make_parity().require()


def test_the_error_says_found_allowed_and_what_to_do() -> None:
    with pytest.raises(ParityError) as caught:
        make_parity(max_difference=0.25, labels_differ=3).require()
    assert str(caught.value) == (
        "task 'leaves': features differ by 2.5e-01 between torch and onnxruntime on 8 held-out inputs (allowed: "
        "1e-04), labels on 3 of them. It was not written. Export with torch 2.13.0, and report "
        "this if it persists"
    )
