from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecl.training.run import Run
from edgecl_export.bundle import add_pack
from edgecl_export.errors import ExportError
from edgecl_runtime import BundleDigestError, Runtime, read_bundle
from tests.exported import Field, digests, export, reuse_graph


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_the_runtime_reads_an_exported_bundle_with_all_its_packs(
    name: str, request: pytest.FixtureRequest
) -> None:
    field: Field = request.getfixturevalue(name)
    runtime = Runtime.open(field.bundle)
    assert runtime.tasks == tuple(sorted(field.tasks))
    assert runtime.bundle.fingerprint == field.run.record.fingerprint


def test_a_bundle_of_images_has_graph_description_parity_and_packs(image_field: Field) -> None:
    assert sorted(digests(image_field.bundle)) == [
        "backbone.onnx",
        "bundle.json",
        "packs/hues-1.ecpack",
        "packs/shades-1.ecpack",
        "packs/tones-1.ecpack",
        "parity.json",
    ]


def test_a_bundle_of_texts_has_the_tokenizer_of_the_backbone(text_field: Field) -> None:
    found = (text_field.bundle / "tokenizer.json").read_bytes()
    assert found == (text_field.backbone / "tokenizer.json").read_bytes()
    assert "tokenizer.json" in read_bundle(text_field.bundle).files


def test_a_bundle_says_what_it_was_exported_from_and_for(image_field: Field) -> None:
    bundle = read_bundle(image_field.bundle)
    spec = image_field.load().spec
    assert (bundle.backbone, bundle.attention, bundle.pooling) == ("backbone", "concat", "cls")
    assert (bundle.dimensions, bundle.preprocessing) == (spec.dimensions, spec.preprocessing)
    assert (bundle.profile.name, bundle.profile.precision) == ("generic-cpu", "fp32")
    assert set(bundle.versions) == {"edgecl", "torch", "transformers", "onnx", "onnxruntime"}


def test_what_was_exported_is_named_in_the_order_of_training(image_field: Field) -> None:
    assert image_field.exported.bundle == image_field.bundle
    assert image_field.exported.packs == tuple(map(image_field.pack, image_field.tasks))
    assert image_field.exported.refused == ()


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_no_file_of_a_bundle_names_a_folder_of_the_workstation(
    name: str, request: pytest.FixtureRequest
) -> None:
    field: Field = request.getfixturevalue(name)
    for path in digests(field.bundle):
        assert str(field.folder).encode() not in (field.bundle / path).read_bytes()


def test_everybody_may_read_an_exported_folder(image_field: Field) -> None:
    assert image_field.bundle.stat().st_mode & 0o777 == 0o755


def test_exporting_again_gives_the_same_bytes(image_field: Field, tmp_path: Path) -> None:
    export(image_field.run, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(image_field.bundle)


def test_a_run_exports_from_wherever_its_backbone_lies_now(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    (tmp_path / "moved").symlink_to(image_field.backbone)
    export(image_field.run, tmp_path / "bundle", backbone_source=str(tmp_path / "moved"))
    assert read_bundle(tmp_path / "bundle").fingerprint == image_field.run.record.fingerprint


def test_a_folder_that_exists_is_refused_and_left_alone(image_field: Field, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match="exists already, and a bundle is never changed.*edgecl pack build"):
        export(image_field.run, tmp_path)
    assert list(digests(tmp_path)) == ["mine.txt"]


def test_a_run_without_a_finished_task_is_refused(image_field: Field, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", image_field.run.record)
    with pytest.raises(
        ExportError, match="has no finished task. Train one: edgecl train .*run --task NAME=DATA"
    ):
        export(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_an_export_that_is_stopped_leaves_nothing(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx", change=stop)
    with pytest.raises(KeyboardInterrupt):
        export(image_field.run, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_no_folder_that_led_to_it(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise ExportError("no graph")

    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx", change=fail)
    with pytest.raises(ExportError, match="no graph"):
        export(image_field.run, tmp_path / "new" / "folder" / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_keeps_what_others_put_beside_it(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        (path.parent.parent / "mine.txt").write_text("mine", encoding="utf-8")
        raise ExportError("no graph")

    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx", change=fail)
    with pytest.raises(ExportError, match="no graph"):
        export(image_field.run, tmp_path / "new" / "bundle")
    assert list(digests(tmp_path)) == ["new/mine.txt"]


def test_a_pack_that_fails_leaves_no_folder_that_led_to_it(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ExportError("no pack")

    monkeypatch.setattr("edgecl_export.bundle.build_pack", fail)
    out = tmp_path / "new" / "hues-2.ecpack"
    with pytest.raises(ExportError, match="no pack"):
        add_pack(image_field.run, "hues", bundle_folder=image_field.bundle, out=out, version=2)
    assert list(tmp_path.iterdir()) == []


def test_a_pack_is_not_built_for_a_bundle_that_was_changed(image_field: Field, tmp_path: Path) -> None:
    bundle = image_field.copy_bundle(tmp_path)
    with (bundle / "backbone.onnx").open("ab") as graph:
        graph.write(b"\0")
    with pytest.raises(BundleDigestError, match="Copy the bundle again"):
        add_pack(image_field.run, "hues", bundle_folder=bundle, out=tmp_path / "hues.ecpack", version=2)
    assert not (tmp_path / "hues.ecpack").exists()


def test_a_bundle_has_no_number_that_json_does_not_know(image_field: Field) -> None:
    for name in ("bundle.json", "parity.json"):
        json.loads((image_field.bundle / name).read_text(encoding="utf-8"), parse_constant=pytest.fail)
