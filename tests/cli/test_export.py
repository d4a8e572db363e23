from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from edgecl_runtime import read_bundle
from tests.cli.conftest import Call, Called, assert_refused
from tests.exported import Field, digests, reuse_graph


@pytest.fixture
def export(image_field: Field, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Export the run with the graph that was traced before."""
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")

    def run(*options: str) -> Called:
        return call("export", image_field.run.folder, "--out", tmp_path / "bundle", *options)

    return run


def test_the_result_is_one_json_object(export: Call, image_field: Field, tmp_path: Path) -> None:
    result = export("--json").json
    bundle = tmp_path / "bundle"
    assert result["bundle"] == str(bundle)
    assert result["backbone_bytes"] == (bundle / "backbone.onnx").stat().st_size
    assert [pack["path"] for pack in result["packs"]] == [
        str(bundle / "packs" / f"{task}-1.ecpack") for task in image_field.tasks
    ]
    assert result["parity"] == [asdict(measured) for measured in image_field.said]
    assert result["refused"] == []


def test_a_table_shows_the_size_of_every_file(export: Call, image_field: Field) -> None:
    called = export()
    assert called.code == 0
    rows = [line.split()[0] for line in called.out.splitlines()[2:]]
    assert rows == ["backbone.onnx", *(f"packs/{task}-1.ecpack" for task in image_field.tasks)]


def test_the_gate_reports_found_and_allowed_on_standard_error(export: Call) -> None:
    lines = [line for line in export("--json").err.splitlines() if line.startswith("parity, ")]
    assert [line.split(":")[0] for line in lines] == [
        *("parity, no task", "parity, shades", "parity, hues", "parity, tones")
    ]
    assert "allowed: 1e-05), 0 labels differ, 18 inputs" in lines[0]
    assert "allowed: 1e-04), 0 labels differ, 6 inputs" in lines[1]


def test_the_command_writes_what_the_library_writes(export: Call, image_field: Field, tmp_path: Path) -> None:
    export("--device", "generic-cpu", "--backbone", str(image_field.backbone))
    assert digests(tmp_path / "bundle") == digests(image_field.bundle)
    assert read_bundle(tmp_path / "bundle").profile.name == "generic-cpu"


def test_an_export_in_lower_precision_says_what_it_costs_each_task(export: Call, image_field: Field) -> None:
    called = export("--precision", "fp16", "--tensors", "int8", "--max-loss", "100", "--json")
    lines = [line for line in called.err.splitlines() if line.startswith("accuracy, ")]
    assert [line.split(":")[0] for line in lines] == [f"accuracy, {task}" for task in image_field.tasks]
    assert "with a graph in fp16 and tensors in I8" in lines[0]
    assert [loss["task"] for loss in called.json["losses"]] == list(image_field.tasks)


def test_adapter_files_come_with_what_is_lost(export: Call, image_field: Field, tmp_path: Path) -> None:
    called = export("--format", "onnx_adapter")
    assert "no digest and names no backbone" in called.err.splitlines()[-1]
    packs = tmp_path / "bundle" / "packs"
    assert sorted(path.stem for path in packs.glob("*.onnx_adapter")) == sorted(
        path.stem for path in packs.glob("*.ecpack")
    )


def test_a_twin_is_written_when_it_is_asked_for(export: Call, tmp_path: Path) -> None:
    assert export("--twin").code == 0
    assert read_bundle(tmp_path / "bundle").twin_path == tmp_path / "bundle" / "backbone.explicit.onnx"


def test_tensorrt_gets_its_limits(export: Call, tmp_path: Path) -> None:
    assert export("--target", "tensorrt", "--limits", "2", "10", "16").code == 0
    limits = json.loads((tmp_path / "bundle" / "tensorrt.json").read_text(encoding="utf-8"))
    assert limits == {"batch": 2, "prefixes": 10, "rank": 16}


def test_an_engine_without_its_library_is_refused_before_any_work(export: Call, tmp_path: Path) -> None:
    assert_refused(export("--target", "torch-tensorrt"), 1, "torch_tensorrt", "pip install")
    assert not (tmp_path / "bundle").exists()
