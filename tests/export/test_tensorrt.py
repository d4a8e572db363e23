from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from edgecl_devices import load_profile
from edgecl_export.contents import choose_profile
from edgecl_export.errors import ExportError, MissingLibraryError
from edgecl_export.plan import ExportPlan
from edgecl_export.torch_tensorrt import build_engine
from edgecl_runtime import ProviderError, read_bundle
from edgecl_runtime.engine.onnxruntime import open_session
from edgecl_runtime.tensorrt import Limits
from edgecl_runtime.tensors import GRAPH_INPUTS
from tests.exported import Field, export, reuse_graph

LIMITS = Limits(batch=4, prefixes=8, rank=16)


class Library:
    """What is used of torch_tensorrt; keeps what it was given."""

    __version__ = "2.14.0"

    def __init__(self) -> None:
        self.inputs: list[dict[str, Any]] = []
        self.names: list[str] = []
        self.dynamo = SimpleNamespace(convert_exported_program_to_serialized_trt_engine=self._convert)

    def Input(self, **described: Any) -> dict[str, Any]:  # noqa: N802  # the library's name
        return described

    def _convert(
        self,
        program: torch.export.ExportedProgram,
        *,
        arg_inputs: list[dict[str, Any]],
        arg_input_binding_names: list[str],
        output_binding_names: list[str],
    ) -> bytes:
        self.inputs, self.names = arg_inputs, arg_input_binding_names
        self.user_inputs = program.graph_signature.user_inputs
        return b"engine"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """A torch_tensorrt and a GPU, made up."""
    made = Library()
    monkeypatch.setitem(sys.modules, "torch_tensorrt", made)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Orin")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 7))
    return made


@pytest.fixture
def bundle(image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, exported for TensorRT."""
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    exported, _ = export(image_field.run, tmp_path / "bundle", plan=ExportPlan(tensorrt=LIMITS))
    return exported.bundle


def test_a_bundle_for_tensorrt_has_the_twin_and_the_limits_and_names_the_provider(bundle: Path) -> None:
    described = read_bundle(bundle)
    assert {"backbone.explicit.onnx", "tensorrt.json"} <= set(described.files)
    assert Limits.read(bundle / "tensorrt.json") == LIMITS
    assert described.profile.providers[0] == "TensorrtExecutionProvider"


def test_a_session_without_the_provider_is_an_error_and_no_silent_fallback(bundle: Path) -> None:
    described = read_bundle(bundle)
    assert described.twin_path is not None
    with pytest.raises(ProviderError, match="asks for TensorrtExecutionProvider"):
        open_session(described.twin_path, described.profile.providers)


def test_texts_in_int8_are_refused_for_tensorrt(
    text_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, text_field.bundle / "backbone.onnx")
    with pytest.raises(ExportError, match="TensorRT has no operator.*--precision fp16"):
        export(text_field.run, tmp_path / "bundle", plan=ExportPlan(tensorrt=LIMITS, precision="int8"))
    assert not (tmp_path / "bundle").exists()


def test_the_precision_of_a_plan_goes_before_that_of_the_device() -> None:
    device = load_profile("generic-cpu")
    assert choose_profile(device, ExportPlan(precision="fp16")).precision == "fp16"
    assert choose_profile(device, ExportPlan()).precision == device.precision


def test_without_torch_tensorrt_nothing_is_traced(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_tensorrt", None)
    reuse_graph(monkeypatch, tmp_path / "never-read.onnx")
    with pytest.raises(MissingLibraryError, match=r'cannot be imported.*pip install "torch-tensorrt==2.14'):
        export(image_field.run, tmp_path / "bundle", plan=ExportPlan(tensorrt=LIMITS, engine=True))


def test_without_a_gpu_there_is_nothing_to_build_for(
    library: Library, image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingLibraryError, match="found no GPU"):
        build_engine(image_field.load(), tmp_path / "a.engine", limits=LIMITS, precision="fp32")


def test_an_engine_of_another_precision_is_refused(
    library: Library, image_field: Field, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="found precision int8, expected fp32"):
        build_engine(image_field.load(), tmp_path / "a.engine", limits=LIMITS, precision="int8")


def test_every_task_tensor_is_an_input_of_the_engine(
    library: Library, image_field: Field, tmp_path: Path
) -> None:
    build_engine(image_field.load(), tmp_path / "a.engine", limits=LIMITS, precision="fp32")
    assert library.names == ["pixel_values", *GRAPH_INPUTS]
    assert len(library.user_inputs) == 8
    smallest = {each["name"]: each["min_shape"] for each in library.inputs}
    assert (smallest["prefix_k"], smallest["adapter_up"]) == ((2, 1, 4, 0, 16), (2, 1, 0, 64))
    assert (tmp_path / "a.engine").read_bytes() == b"engine"
    assert '"gpu": "Orin"' in (tmp_path / "a.engine.json").read_text(encoding="utf-8")


def test_the_published_engine_has_every_task_tensor_as_an_input_and_serves_no_task() -> None:
    published = json.loads((Path(__file__).parents[2] / "docs/results/tensorrt-rtx.json").read_text("utf-8"))
    for name, backbone in published["backbones"].items():
        assert set(GRAPH_INPUTS) <= set(backbone["network_inputs"]), name
        assert backbone["frozen_in_backbone_onnx"] == sorted(GRAPH_INPUTS)
        assert backbone["profile"]["prefix_bias"]["smallest"] == [1, 1, 1, 0]
        assert backbone["profile"]["prefix_bias"]["largest"] == [8, 1, 1, 32]
