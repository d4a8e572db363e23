from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecl_export.adapters import write_adapter
from edgecl_export.bundle import add_pack
from edgecl_export.plan import PackPlan
from edgecl_runtime import read_pack
from edgecl_runtime.engine.onnxruntime import import_onnxruntime, open_session
from tests.exported import Field


def test_onnxruntimes_own_adapter_gives_what_the_pack_gives(image_field: Field, tmp_path: Path) -> None:
    pack, path = read_pack(image_field.pack("hues")), tmp_path / "hues.onnx_adapter"
    write_adapter(pack, path)
    library = import_onnxruntime()
    adapter, options = library.LoraAdapter(), library.RunOptions()
    adapter.Load(str(path))
    options.add_active_adapter(adapter)
    session = open_session(image_field.bundle / "backbone.onnx", ["CPUExecutionProvider"])
    inputs = {"pixel_values": np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)}
    found = session.run(["features"], inputs, options)[0]  # type: ignore[call-arg]  # the seam never uses options
    expected = session.run(["features"], {**inputs, **pack.tensors.graph_inputs()})[0]
    np.testing.assert_array_equal(found, expected)


def test_an_adapter_has_the_seven_inputs_and_the_version(image_field: Field, tmp_path: Path) -> None:
    pack, path = read_pack(image_field.pack("hues")), tmp_path / "hues.onnx_adapter"
    write_adapter(pack, path)
    found = import_onnxruntime().AdapterFormat.read_adapter(str(path))
    assert found.get_adapter_version() == 1
    shapes = {name: tuple(value.shape()) for name, value in found.get_parameters().items()}
    assert shapes == {name: array.shape for name, array in pack.tensors.graph_inputs().items()}


def test_a_pack_is_built_with_its_adapter_beside_it(image_field: Field, tmp_path: Path) -> None:
    out = tmp_path / "hues-2.ecpack"
    plan = PackPlan(adapters=True)
    add_pack(image_field.run, "hues", bundle_folder=image_field.bundle, out=out, version=2, plan=plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hues-2.ecpack", "hues-2.onnx_adapter"]
