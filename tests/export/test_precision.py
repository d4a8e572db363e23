from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgecl_export import loss as loss_module
from edgecl_export.bundle import Exported, add_pack
from edgecl_export.errors import GateError
from edgecl_export.loss import Loss, calibration_rows
from edgecl_export.parity import engine_features
from edgecl_export.plan import ExportPlan, PackPlan
from edgecl_runtime import Runtime, read_bundle, read_pack
from edgecl_runtime.tensors import GRAPH_INPUTS
from tests.exported import Field, export, reuse_graph

ANY_LOSS = PackPlan(max_loss=100.0)
LOWERED = [("image_field", "fp16"), ("image_field", "int8"), ("text_field", "fp16"), ("text_field", "int8")]


def make_loss(**changes: object) -> Loss:
    """Return a loss of 1.5 points of 2 that are allowed."""
    values: dict[str, object] = {
        "task": "leaves",
        "precision": "int8",
        "pack_type": "F16",
        "items": 48,
        "accuracy_fp32": 90.0,
        "accuracy": 88.5,
        "allowed": 2.0,
        "labels_differ": 1,
        "max_difference": 0.1,
    }
    return Loss(**{**values, **changes})  # type: ignore[arg-type]  # tests give values of each type


@pytest.fixture(scope="module")
def exports(
    image_field: Field, text_field: Field, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Exported]:
    """Both fields, exported in lower precisions."""
    fields = {"image_field": image_field, "text_field": text_field}
    made = {}
    for name, precision in LOWERED:
        with pytest.MonkeyPatch.context() as patch:
            reuse_graph(patch, fields[name].bundle / "backbone.onnx")
            out = tmp_path_factory.mktemp(f"{name}-{precision}") / "bundle"
            plan = ExportPlan(precision=precision, packs=ANY_LOSS, twin=True)
            made[name, precision], _ = export(fields[name].run, out, plan=plan)
    return made


@pytest.fixture(params=LOWERED, ids=["-".join(each) for each in LOWERED])
def exported(request: pytest.FixtureRequest, exports: dict[tuple[str, str], Exported]) -> Exported:
    return exports[request.param]


def test_the_bundle_names_its_precision(exported: Exported) -> None:
    assert read_bundle(exported.bundle).profile.precision == exported.losses[0].precision


def test_the_device_reads_the_bundle_and_reproduces_every_probe(exported: Exported) -> None:
    runtime = Runtime.open(exported.bundle)
    assert len(runtime.tasks) > 1
    for task in runtime.tasks:
        assert runtime.verify(task) == pytest.approx(0, abs=1e-5)


def test_a_probe_has_a_tolerance_for_this_precision_alone(exported: Exported) -> None:
    precision = exported.losses[0].precision
    for path, loss in zip(exported.packs, exported.losses, strict=True):
        tolerance = read_pack(path).manifest.probe.tolerance
        assert tolerance == {precision: max(1e-3, 2 * loss.max_difference)}


def test_the_graph_is_smaller(exported: Exported, image_field: Field, text_field: Field) -> None:
    whole = image_field if read_bundle(exported.bundle).modality == "image" else text_field
    sizes = [(folder / "backbone.onnx").stat().st_size for folder in (exported.bundle, whole.bundle)]
    assert sizes[0] < 0.75 * sizes[1]


def test_every_input_keeps_its_type_and_every_task_input_its_default(exported: Exported) -> None:
    graph = onnx.load(exported.bundle / "backbone.onnx").graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    assert {types[name] for name in GRAPH_INPUTS} == {TensorProto.FLOAT}
    assert {value.name for value in graph.input} & {each.name for each in graph.initializer} == set(
        GRAPH_INPUTS
    )


def test_the_twin_has_the_same_precision(exported: Exported) -> None:
    twin, graph = (
        onnx.load(exported.bundle / name).graph for name in ("backbone.explicit.onnx", "backbone.onnx")
    )
    assert [node.op_type for node in twin.node] == [node.op_type for node in graph.node]


def test_only_standard_operators_are_used(exported: Exported) -> None:
    model = onnx.load(exported.bundle / "backbone.onnx")
    assert {node.domain for node in model.graph.node} == {""}


@pytest.mark.parametrize(
    ("name", "operators"),
    [("image_field", {"QuantizeLinear", "DequantizeLinear"}), ("text_field", {"MatMulInteger"})],
)
def test_images_get_ranges_that_are_fixed_and_texts_ranges_of_each_call(
    exports: dict[tuple[str, str], Exported], name: str, operators: set[str]
) -> None:
    graph = onnx.load(exports[name, "int8"].bundle / "backbone.onnx").graph
    assert operators <= {node.op_type for node in graph.node}


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_weights_have_seven_bits_so_that_no_processor_overflows(
    exports: dict[tuple[str, str], Exported], name: str
) -> None:
    graph = onnx.load(exports[name, "int8"].bundle / "backbone.onnx").graph
    weights = [onnx.numpy_helper.to_array(each) for each in graph.initializer]
    matrices = [each for each in weights if each.dtype == np.int8 and each.ndim == 2]
    assert matrices
    assert max(np.abs(each.astype(int)).max() for each in matrices) <= 64


def test_products_with_task_tensors_stay_in_float(exports: dict[tuple[str, str], Exported]) -> None:
    runtime = Runtime.open(exports["image_field", "int8"].bundle)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    under = [runtime.features([image], task=task) for task in runtime.tasks]
    assert np.abs(under[0] - under[1]).max() > 1e-3


def test_losses_are_kept_beside_the_bundle(exported: Exported) -> None:
    stored = json.loads((exported.bundle / "loss.json").read_text(encoding="utf-8"))
    assert stored == [asdict(loss) for loss in exported.losses]
    assert [parity.task for parity in exported.parity] == [None]


def test_a_pack_says_what_it_reaches_here_and_in_float32(exported: Exported) -> None:
    for path, loss in zip(exported.packs, exported.losses, strict=True):
        metrics = read_pack(path).manifest.metrics
        assert metrics["heldout_accuracy"] == loss.accuracy
        assert metrics["heldout_accuracy_fp32"] == loss.accuracy_fp32
        assert metrics["heldout_items"] == loss.items


def test_items_of_the_calibration_measure_no_loss(exports: dict[tuple[str, str], Exported]) -> None:
    assert calibration_rows(6).tolist() == [True, False, False, False, True, False]
    assert {loss.items for loss in exports["image_field", "int8"].losses} == {4}


def test_a_task_that_loses_too_much_gets_no_pack(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")

    def spoil(*arguments: object) -> np.ndarray:
        return -100 * features(*arguments)  # type: ignore[arg-type]  # handed on as they are

    features = engine_features
    monkeypatch.setattr(loss_module, "engine_features", spoil)
    plan = ExportPlan(precision="fp16", packs=PackPlan(max_loss=0.0))
    exported, _ = export(image_field.run, tmp_path / "bundle", plan=plan)
    lost = [loss for loss in exported.losses if not loss.holds]
    assert lost
    assert len(exported.refused) == len(lost)
    assert len(exported.packs) == len(exported.losses) - len(lost)


def test_a_loss_beyond_what_is_allowed_is_refused_with_both_accuracies() -> None:
    make_loss().require()
    with pytest.raises(
        GateError, match=r"88\.5 % of 48 .* 90\.0 % in float32 .allowed loss: 1 points"
    ) as caught:
        make_loss(allowed=1.0).require()
    assert "--max-loss" in str(caught.value)


@pytest.mark.parametrize("difference", [float("nan"), float("inf")])
def test_an_overflow_is_refused_whatever_the_labels_are(difference: float) -> None:
    assert not make_loss(accuracy=95.0, max_difference=difference).holds


def test_an_int8_pack_on_a_graph_in_float32_passes_both_gates(image_field: Field, tmp_path: Path) -> None:
    out = tmp_path / "hues-2.ecpack"
    plan = PackPlan(pack_type="I8", max_loss=100.0)
    passed = add_pack(
        image_field.run, "hues", bundle_folder=image_field.bundle, out=out, version=2, plan=plan
    )
    assert passed.parity is not None
    assert passed.loss is not None
    assert passed.parity.holds
    assert out.stat().st_size < image_field.pack("hues").stat().st_size
    pack = read_pack(out)
    assert pack.manifest.format_version == 2
    assert "accuracy" not in pack.manifest.metrics
    runtime = Runtime.open(image_field.bundle)
    runtime.add(out)
    assert runtime.verify("hues") == pytest.approx(0, abs=1e-6)
