"""The runtime on the explicit twin: what it checks, and that nothing else takes the place of a provider."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecl_devices import load_profile
from edgecl_export.contents import choose_profile
from edgecl_export.plan import ExportPlan
from edgecl_export.twin import write_twin
from edgecl_runtime import BundleFormatError, ProviderError, TensorRtError, read_bundle, write_bundle
from edgecl_runtime.engine.backends import open_engine
from edgecl_runtime.engine.binding import BindingEngine
from edgecl_runtime.engine.feeds import FeedsEngine
from edgecl_runtime.engine.onnxruntime import Device, check_graph, open_session
from edgecl_runtime.engine.twin import TwinEngine
from edgecl_runtime.tensorrt import Limits
from tests.contract.test_agreement import make_inputs, task_tensors
from tests.exported import Field

CPU = ["CPUExecutionProvider"]


@pytest.fixture(scope="module")
def twin_path(image_field: Field, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("twin") / "backbone.explicit.onnx"
    write_twin(image_field.bundle / "backbone.onnx", path)
    return path


@pytest.mark.parametrize("on_binding", [False, True])
def test_an_engine_over_the_twin_gives_what_one_over_the_graph_gives(
    image_field: Field, twin_path: Path, on_binding: bool
) -> None:
    session = open_session(twin_path, CPU)
    inner = BindingEngine(session, Device()) if on_binding else FeedsEngine(session)
    twin = TwinEngine(inner, image_field.load().spec.dimensions)
    graph = open_engine(read_bundle(image_field.bundle))
    inputs, task = make_inputs(image_field, rows=2), task_tensors(image_field).graph_inputs()
    for placed in (None, task):
        found, expected = (engine.place(placed).run(inputs) for engine in (twin, graph))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_twin_is_told_from_a_graph(image_field: Field, twin_path: Path) -> None:
    bundle = read_bundle(image_field.bundle)
    for path, is_twin in ((twin_path, True), (bundle.graph_path, False)):
        session, known = open_session(path, CPU), {"modality": "image", "dimensions": bundle.dimensions}
        check_graph(session, path=path, is_twin=is_twin, **known)  # type: ignore[arg-type]  # two types of values
        with pytest.raises(BundleFormatError, match="inputs"):
            check_graph(session, path=path, is_twin=not is_twin, **known)  # type: ignore[arg-type]  # as above


def test_a_graph_that_would_run_on_the_processor_is_refused_where_it_must_not(twin_path: Path) -> None:
    # A provider that every onnxruntime has, and that runs no node.
    providers = ["AzureExecutionProvider"]
    assert "CPUExecutionProvider" in open_session(twin_path, providers).get_providers()
    with pytest.raises(ProviderError, match="asks for AzureExecutionProvider"):
        open_session(twin_path, providers, processor_too=False)


def test_a_bundle_for_tensorrt_does_not_open_without_it(
    image_field: Field, twin_path: Path, tmp_path: Path
) -> None:
    folder, golden = image_field.copy_bundle(tmp_path), read_bundle(image_field.bundle)
    (folder / "backbone.explicit.onnx").write_bytes(twin_path.read_bytes())
    (folder / "tensorrt.json").write_text(Limits().to_text(), encoding="utf-8")
    bundle = write_bundle(
        folder,
        fingerprint=golden.fingerprint,
        backbone=golden.backbone,
        dimensions=golden.dimensions,
        attention=golden.attention,
        pooling=golden.pooling,
        preprocessing=golden.preprocessing,
        profile=choose_profile(load_profile("generic-cpu"), ExportPlan(tensorrt=Limits())),
    )
    with pytest.raises(TensorRtError, match="no TensorRT provider"):
        open_engine(bundle)
