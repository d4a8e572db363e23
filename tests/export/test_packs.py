from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgecl.errors import RunError
from edgecl.streams import load_task, read_stream
from edgecl.training.run import Learned, Run
from edgecl_export import packs
from edgecl_export.bundle import add_pack
from edgecl_export.errors import ExportError
from edgecl_runtime import PackMismatchError, Runtime, read_pack
from edgecl_runtime.pack import write_pack
from edgecl_runtime.tensors import TaskTensors
from tests.exported import ADDED, Field, add_task, digests, export, make_data, reuse_graph


def scale_tensors(run: Run, task: str, factor: float) -> None:
    """Multiply what a task learned."""
    scaled = TaskTensors(**{name: array * np.float32(factor) for name, array in run.tensors(task).items()})
    run.save_task(run.task(task), Learned(scaled, peer={}, state={}), run.heldout(task))


def first_predictions(field: Field, runtime: Runtime) -> dict[str, bytes]:
    """Return features and probabilities of the test items of every task of a field."""
    found = {}
    for spec in read_stream(field.stream).tasks:
        prediction = runtime.predict(load_task(spec, seed=0).test.items, task=spec.name)
        found[spec.name] = prediction.features.tobytes() + prediction.probabilities.tobytes()
    return found


@pytest.mark.parametrize("name", ["image_field", "text_field"])
def test_every_exported_pack_reproduces_its_probe(name: str, request: pytest.FixtureRequest) -> None:
    field: Field = request.getfixturevalue(name)
    runtime = Runtime.open(field.bundle)
    assert [runtime.verify(task) for task in field.tasks] == [pytest.approx(0, abs=1e-6)] * len(field.tasks)


def test_a_pack_holds_what_was_trained_rounded_to_float16(image_field: Field) -> None:
    stored = read_pack(image_field.pack("hues")).tensors
    for (name, found), (_, trained) in zip(
        stored.items(), image_field.run.tensors("hues").items(), strict=True
    ):
        assert found.dtype == np.float16, name
        np.testing.assert_array_equal(found, trained.astype(np.float16))


def test_a_pack_says_what_was_measured(image_field: Field) -> None:
    record = image_field.run.task("hues")
    measured = next(parity for parity in image_field.said if parity.task == "hues")
    manifest = read_pack(image_field.pack("hues")).manifest
    assert (manifest.labels, manifest.version) == (record.labels, 1)
    assert manifest.metrics == {
        "accuracy": record.accuracy,
        "test_items": record.test_items,
        "parity_max_difference": measured.max_difference,
        "parity_items": measured.items,
    }


def test_a_pack_says_how_and_on_what_it_was_trained(image_field: Field) -> None:
    provenance = read_pack(image_field.pack("hues")).manifest.provenance
    assert provenance.method == "adaprefix"
    assert provenance.data_fingerprint == image_field.run.task("hues").data_fingerprint
    assert provenance.config["training"]["batch_size"] == 16
    assert {"torch", "transformers", "onnxruntime", "edgecl-runtime"} <= set(provenance.versions)


def test_provenance_holds_no_path_of_the_workstation(image_field: Field) -> None:
    manifest = read_pack(image_field.pack("hues")).manifest
    assert "source" not in manifest.provenance.config["backbone"]
    assert str(image_field.folder) not in json.dumps(manifest.to_json())


def test_a_pack_of_another_bundle_is_refused_by_the_runtime(image_field: Field, text_field: Field) -> None:
    runtime = Runtime.open(image_field.bundle)
    with pytest.raises(PackMismatchError, match="edgecl pack build"):
        runtime.add(text_field.pack("pets"))
    assert runtime.tasks == ("hues", "shades", "tones")


def test_an_added_task_leaves_every_byte_of_the_field_as_it_was(image_field: Field, tmp_path: Path) -> None:
    run, bundle = image_field.copy_run(tmp_path), image_field.copy_bundle(tmp_path)
    before = digests(bundle)
    add_task(run, make_data(tmp_path, "image", number=9))
    name = f"packs/{ADDED}-1.ecpack"
    passed = add_pack(run, ADDED, bundle_folder=bundle, out=bundle / name, version=1)
    assert (passed.parity is not None, passed.loss) == (True, None)
    after = digests(bundle)
    assert set(after) - set(before) == {name}
    assert {path: after[path] for path in before} == before


def test_an_added_pack_does_not_change_a_bit_of_the_earlier_tasks(image_field: Field, tmp_path: Path) -> None:
    runtime = Runtime.open(image_field.bundle)
    before = first_predictions(image_field, runtime)
    run = image_field.copy_run(tmp_path)
    add_task(run, make_data(tmp_path, "image", number=9))
    add_pack(run, ADDED, bundle_folder=image_field.bundle, out=tmp_path / "added.ecpack", version=1)
    assert runtime.add(tmp_path / "added.ecpack") == ADDED
    assert runtime.verify(ADDED) == pytest.approx(0, abs=1e-6)
    assert first_predictions(image_field, runtime) == before


def test_an_exported_task_and_the_same_task_built_alone_are_the_same_bytes(
    image_field: Field, tmp_path: Path
) -> None:
    out = tmp_path / "hues.ecpack"
    add_pack(image_field.run, "hues", bundle_folder=image_field.bundle, out=out, version=1)
    assert out.read_bytes() == image_field.pack("hues").read_bytes()


def test_a_pack_names_the_task_it_started_from(image_field: Field, tmp_path: Path) -> None:
    run = image_field.copy_run(tmp_path)
    record = msgspec.structs.replace(run.task("shades"), parent="hues")
    run.save_task(record, Learned(run.tensors("shades"), peer={}, state={}), run.heldout("shades"))
    add_pack(run, "shades", bundle_folder=image_field.bundle, out=tmp_path / "shades.ecpack", version=2)
    assert read_pack(tmp_path / "shades.ecpack").manifest.parent == "hues"
    assert read_pack(image_field.pack("shades")).manifest.parent is None


def test_a_higher_version_replaces_a_lower_one(image_field: Field, tmp_path: Path) -> None:
    out = tmp_path / "packs" / "hues-2.ecpack"
    add_pack(image_field.run, "hues", bundle_folder=image_field.bundle, out=out, version=2)
    runtime = Runtime.open(image_field.bundle)
    runtime.add(out)
    assert runtime.pack("hues").manifest.version == 2


def test_a_bundle_of_another_backbone_is_refused(
    image_field: Field, text_field: Field, tmp_path: Path
) -> None:
    with pytest.raises(
        ExportError, match="is of backbone .* Name the bundle that was exported from this run"
    ):
        add_pack(
            image_field.run,
            "hues",
            bundle_folder=text_field.bundle,
            out=tmp_path / "a" / "b.ecpack",
            version=1,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_pack_is_never_overwritten(image_field: Field, tmp_path: Path) -> None:
    out = tmp_path / "hues.ecpack"
    out.write_bytes(b"mine")
    with pytest.raises(ExportError, match="exists already, and a pack is never changed.*--version"):
        add_pack(image_field.run, "hues", bundle_folder=image_field.bundle, out=out, version=1)
    assert out.read_bytes() == b"mine"


def test_a_task_that_the_run_does_not_have_is_refused(image_field: Field, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished task 'moss'; there are: shades, hues, tones"):
        add_pack(
            image_field.run, "moss", bundle_folder=image_field.bundle, out=tmp_path / "moss.ecpack", version=1
        )
    assert list(tmp_path.iterdir()) == []


def test_tensors_that_do_not_fit_in_float16_are_refused_with_what_to_do(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_graph(monkeypatch, image_field.bundle / "backbone.onnx")
    run = image_field.copy_run(tmp_path)
    scale_tensors(run, "hues", 1e8)
    with pytest.raises(ExportError, match="^task 'hues': .*float16.* lower training.learning_rate"):
        export(run, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_pack_that_is_read_back_differently_is_removed(
    image_field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_another(path: Path, *arguments: object, int8: bool) -> None:
        write_pack(path, *arguments, int8=int8)  # type: ignore[arg-type]  # handed on as they are
        shutil.copy(image_field.pack("shades"), path)

    monkeypatch.setattr(packs, "write_pack", write_another)
    out = tmp_path / "tones.ecpack"
    with pytest.raises(ExportError, match="read back differ from what was written; check the disk"):
        add_pack(image_field.run, "tones", bundle_folder=image_field.bundle, out=out, version=1)
    assert not out.exists()


def test_a_file_that_no_device_would_open_is_refused(image_field: Field, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"shades-1\.ecpack"):
        add_pack(
            image_field.run,
            "shades",
            bundle_folder=image_field.bundle,
            out=tmp_path / "shades.pack",
            version=1,
        )
