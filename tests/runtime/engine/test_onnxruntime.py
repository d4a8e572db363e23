from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edgecl_runtime import BundleFormatError, MissingExtraError, ProviderError
from edgecl_runtime.engine import onnxruntime as engine
from edgecl_runtime.tensors import graph_shapes
from tests.runtime.factories import DIMENSIONS, IMAGE_BUNDLE, TEXT_BUNDLE

CPU = ("CPUExecutionProvider",)
WHERE = Path("backbone.onnx")


@dataclass(frozen=True)
class FakeNode:
    name: str
    shape: Sequence[int | str | None]
    type: str = "tensor(float)"


@dataclass
class FakeSession:
    """What a graph says about itself when it keeps the contract."""

    inputs: list[FakeNode] = field(default_factory=lambda: [FakeNode("pixel_values", ["B", 3, 8, 8])])
    defaults: list[FakeNode] = field(
        default_factory=lambda: [
            FakeNode(name, ["any" if size is None else size for size in shape])
            for name, shape in graph_shapes(DIMENSIONS).items()
        ]
    )
    outputs: list[FakeNode] = field(default_factory=lambda: [FakeNode("features", ["B", 8])])

    def get_inputs(self) -> list[FakeNode]:
        return self.inputs

    def get_overridable_initializers(self) -> list[FakeNode]:
        return self.defaults

    def get_outputs(self) -> list[FakeNode]:
        return self.outputs


def check(session: FakeSession) -> None:
    engine.check_graph(session, modality="image", dimensions=DIMENSIONS, path=WHERE)  # type: ignore[arg-type]  # a fake


@pytest.mark.parametrize(("folder", "modality"), [(IMAGE_BUNDLE, "image"), (TEXT_BUNDLE, "text")])
def test_the_golden_graphs_keep_the_contract(folder: Path, modality: str) -> None:
    session = engine.open_session(folder / "backbone.onnx", CPU)
    engine.check_graph(session, modality=modality, dimensions=DIMENSIONS, path=WHERE)


def test_a_graph_of_another_modality_is_refused() -> None:
    session = engine.open_session(IMAGE_BUNDLE / "backbone.onnx", CPU)
    with pytest.raises(
        BundleFormatError, match="inputs: found pixel_values, expected attention_mask, input_ids"
    ):
        engine.check_graph(session, modality="text", dimensions=DIMENSIONS, path=WHERE)


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("prefix_k: found shape", replace(DIMENSIONS, layers=3)),
        ("prefix_k: found shape", replace(DIMENSIONS, heads=4)),
        ("adapter_down: found shape", replace(DIMENSIONS, width=16)),
    ],
)
def test_a_graph_of_other_dimensions_is_refused(name: str, dimensions: object) -> None:
    session = engine.open_session(IMAGE_BUNDLE / "backbone.onnx", CPU)
    with pytest.raises(BundleFormatError, match=name):
        engine.check_graph(session, modality="image", dimensions=dimensions, path=WHERE)  # type: ignore[arg-type]  # Dimensions


def test_the_fake_keeps_the_contract() -> None:
    check(FakeSession())


def test_task_tensors_must_have_defaults() -> None:
    session = FakeSession()
    session.inputs.append(session.defaults.pop(2))
    with pytest.raises(
        BundleFormatError, match="inputs: found pixel_values, prefix_bias, expected pixel_values"
    ):
        check(session)


def test_a_missing_task_tensor_is_refused() -> None:
    session = FakeSession()
    session.defaults.pop()
    with pytest.raises(BundleFormatError, match="inputs with a default: found"):
        check(session)


def test_a_fixed_prefix_length_is_refused() -> None:
    session = FakeSession()
    session.defaults[0] = FakeNode("prefix_k", [2, "G", 2, 10, 4])
    with pytest.raises(BundleFormatError, match="prefix_k: found shape"):
        check(session)


def test_a_graph_of_half_precision_inputs_is_refused() -> None:
    session = FakeSession()
    session.defaults[0] = replace(session.defaults[0], type="tensor(float16)")
    with pytest.raises(BundleFormatError, match=r"prefix_k: found tensor\(float16\)"):
        check(session)


@pytest.mark.parametrize("output", [FakeNode("logits", ["B", 8]), FakeNode("features", ["B", 9])])
def test_another_output_is_refused(output: FakeNode) -> None:
    with pytest.raises(BundleFormatError, match=r"backbone.onnx: "):
        check(FakeSession(outputs=[output]))


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "backbone.onnx").write_bytes(b"not a graph")
    with pytest.raises(BundleFormatError, match=r"backbone.onnx: found .*, expected a graph"):
        engine.open_session(tmp_path / "backbone.onnx", CPU)


def test_a_provider_that_is_not_there_is_an_error_and_no_silent_fallback() -> None:
    with pytest.raises(ProviderError, match=r"asks for CUDAExecutionProvider, but onnxruntime offers only"):
        engine.open_session(IMAGE_BUNDLE / "backbone.onnx", ("CUDAExecutionProvider", *CPU))


def test_a_missing_onnxruntime_names_both_pip_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"runtime\[cpu\]\" or .*runtime\[gpu\]"):
        engine.import_onnxruntime()


def test_telemetry_is_off_before_onnxruntime_is_imported(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from edgecl_runtime.engine.onnxruntime import import_onnxruntime\n"
        "import_onnxruntime()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment["HOME"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "1\n"
    assert list(tmp_path.rglob("*")) == []


def test_opening_a_session_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    engine.open_session(IMAGE_BUNDLE / "backbone.onnx", CPU)
    assert capfd.readouterr() == ("", "")
