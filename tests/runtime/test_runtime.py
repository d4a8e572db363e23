from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecl_runtime import (
    BundleFormatError,
    InputError,
    PackConflictError,
    PackFormatError,
    PackMismatchError,
    Probe,
    ProbeMismatchError,
    Runtime,
    UnknownTaskError,
)
from edgecl_runtime.runtime import BATCH_ROWS
from tests.runtime.factories import (
    IMAGE_BUNDLE,
    IMAGE_PACKS,
    TEXT_BUNDLE,
    TEXT_PACKS,
    copy_bundle,
    edit_json,
    make_tensors,
    write_pack_file,
)


def open_images(packs: Path = IMAGE_PACKS) -> Runtime:
    return Runtime.open(IMAGE_BUNDLE, packs)


def make_images(count: int = 3, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def test_a_task_gives_a_label_and_probabilities_for_each_image() -> None:
    prediction = open_images().predict(make_images(5, 20), task="leaves")
    assert (prediction.task, prediction.classes) == ("leaves", ("healthy", "rust", "spot"))
    assert (prediction.probabilities.shape, prediction.features.shape) == ((5, 3), (5, 8))
    best = prediction.probabilities.argmax(axis=1)
    assert prediction.labels == tuple(prediction.classes[row] for row in best)
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_text_task_takes_one_text_or_many() -> None:
    runtime = Runtime.open(TEXT_BUNDLE, TEXT_PACKS)
    many = runtime.predict(["good dog", "very bad cat runs", ""], task="mood")
    one = runtime.predict("good dog", task="mood")
    assert (len(many.labels), len(one.labels)) == (3, 1)
    np.testing.assert_allclose(one.probabilities[0], many.probabilities[0], atol=1e-5)


def test_tasks_are_sorted_and_the_bundle_is_known() -> None:
    runtime = open_images()
    assert runtime.tasks == ("leaves", "plain", "steel")
    assert runtime.bundle.path == IMAGE_BUNDLE
    assert runtime.pack("steel").manifest.version == 2


def test_another_task_gives_other_features() -> None:
    runtime = open_images()
    bare, leaves, steel = (runtime.features(make_images(), task=task) for task in (None, "leaves", "steel"))
    assert min(np.abs(bare - leaves).max(), np.abs(leaves - steel).max(), np.abs(bare - steel).max()) > 0.1


def test_features_under_a_task_are_those_of_the_prediction() -> None:
    runtime = open_images()
    prediction = runtime.predict(make_images(), task="leaves")
    np.testing.assert_array_equal(prediction.features, runtime.features(make_images(), task="leaves"))


def test_every_kind_of_single_image_is_a_batch_of_one(tmp_path: Path) -> None:
    image = Image.fromarray(make_images(size=20)[0])
    image.save(tmp_path / "a.png")
    runtime = open_images()
    singles = (tmp_path / "a.png", str(tmp_path / "a.png"), image, np.asarray(image))
    rows = [runtime.predict(single, task="leaves").probabilities for single in singles]
    assert {row.shape for row in rows} == {(1, 3)}
    assert all((row == rows[0]).all() for row in rows)


def test_a_grey_image_is_a_batch_of_one() -> None:
    assert len(open_images().predict(make_images()[0, :, :, 0], task="leaves").labels) == 1


def test_a_list_a_tuple_a_generator_and_an_array_are_the_same_batch() -> None:
    images, runtime = make_images(), open_images()
    batches = (images, list(images), tuple(images), (image for image in images))
    rows = [runtime.features(batch) for batch in batches]
    assert all((row == rows[0]).all() for row in rows)


@pytest.mark.parametrize("nothing", [[], (), np.empty((0, 8, 8, 3), np.uint8)])
def test_no_items_give_empty_results_of_the_right_shapes(nothing: object) -> None:
    prediction = open_images().predict(nothing, task="leaves")
    assert prediction.labels == ()
    assert (prediction.probabilities.shape, prediction.features.shape) == ((0, 3), (0, 8))


def test_no_texts_give_empty_results() -> None:
    assert Runtime.open(TEXT_BUNDLE, TEXT_PACKS).predict([], task="mood").probabilities.shape == (0, 2)


def test_a_large_input_runs_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = open_images()
    rows: list[int] = []
    batch = runtime._preprocessor.batch

    def note(prepared: Sequence[Any]) -> dict[str, Any]:
        rows.append(len(prepared))
        return batch(prepared)

    monkeypatch.setattr(runtime._preprocessor, "batch", note)
    images = make_images(2 * BATCH_ROWS + 1)
    features = runtime.features(images, task="leaves")
    assert rows == [BATCH_ROWS, BATCH_ROWS, 1]
    np.testing.assert_allclose(features[-1:], runtime.features(images[-1:], task="leaves"), atol=1e-5)


@pytest.mark.parametrize("inputs", [None, 3, {"a": 1}])
def test_what_is_neither_an_item_nor_a_sequence_is_refused(inputs: object) -> None:
    with pytest.raises(InputError, match="expected one image or a sequence of them"):
        open_images().predict(inputs, task="leaves")


def test_bytes_are_no_text() -> None:
    with pytest.raises(InputError, match="a text cannot be a bytes"):
        Runtime.open(TEXT_BUNDLE, TEXT_PACKS).predict(b"good", task="mood")


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownTaskError, match=r"task 'moss' has no open pack \(open: leaves, plain, steel\)"
    ):
        open_images().predict(make_images(), task="moss")


def test_a_missing_bundle_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="edgecl export RUN --out BUNDLE"):
        Runtime.open(tmp_path)


def test_a_bundle_without_packs_gives_bare_features(tmp_path: Path) -> None:
    runtime = Runtime.open(copy_bundle(tmp_path).path)
    assert (runtime.tasks, runtime.features(make_images()).shape) == ((), (3, 8))


def test_a_bad_pack_stops_the_opening_unless_it_is_skipped(tmp_path: Path) -> None:
    write_pack_file(tmp_path)
    (tmp_path / "bad.ecpack").write_bytes(b"damaged")
    with pytest.raises(PackFormatError, match=r"bad.ecpack"):
        open_images(tmp_path)
    runtime = Runtime.open(IMAGE_BUNDLE, tmp_path, skip_bad_packs=True)
    assert (runtime.tasks, len(runtime.skipped_packs)) == (("leaves",), 1)


def test_a_pack_of_another_backbone_is_refused_by_add() -> None:
    runtime = open_images()
    with pytest.raises(PackMismatchError, match="built for backbone"):
        runtime.add(TEXT_PACKS / "mood-1.ecpack")
    assert runtime.tasks == ("leaves", "plain", "steel")


def test_a_newer_pack_replaces_an_older_one(tmp_path: Path) -> None:
    runtime = open_images()
    path = write_pack_file(tmp_path, version=2, labels=("yes", "no"))
    assert runtime.add(path) == "leaves"
    assert runtime.predict(make_images(), task="leaves").classes == ("yes", "no")


def test_an_older_pack_is_refused(tmp_path: Path) -> None:
    runtime = open_images()
    with pytest.raises(PackConflictError, match="found version 1 of steel, expected a version above 2"):
        runtime.add(write_pack_file(tmp_path, task="steel"))


def test_other_bytes_under_the_same_version_are_refused(tmp_path: Path) -> None:
    runtime = open_images()
    with pytest.raises(PackConflictError, match="other bytes under version 1 of leaves"):
        runtime.add(write_pack_file(tmp_path))


def test_the_same_pack_may_be_added_again() -> None:
    assert open_images().add(IMAGE_PACKS / "leaves-1.ecpack") == "leaves"


def test_a_removed_task_is_unknown_until_it_is_added_again() -> None:
    runtime = open_images()
    runtime.remove("leaves")
    with pytest.raises(UnknownTaskError):
        runtime.remove("leaves")
    runtime.add(IMAGE_PACKS / "leaves-1.ecpack")
    assert "leaves" in runtime.tasks


def test_an_active_task_is_made_once() -> None:
    runtime = open_images()
    first = runtime._active.task(runtime.pack("leaves"))
    assert runtime._active.task(runtime.pack("leaves")) is first


def test_a_removed_task_is_no_longer_active() -> None:
    runtime = open_images()
    runtime.predict(make_images(1), task="leaves")
    runtime.remove("leaves")
    assert runtime.status().active_bytes == 0


def test_a_replaced_task_is_no_longer_active(tmp_path: Path) -> None:
    runtime = open_images()
    runtime.predict(make_images(1), task="leaves")
    runtime.add(write_pack_file(tmp_path, version=2))
    assert runtime.status().active_tasks == 0


def test_status_counts_every_byte() -> None:
    runtime = open_images()
    before = runtime.status()
    assert (before.backend, before.tasks, before.active_bytes, before.stages) == ("feeds", 3, 0, {})
    assert before.mapped_bytes == sum(path.stat().st_size for path in IMAGE_PACKS.glob("*.ecpack"))
    runtime.predict(make_images(1), task="leaves")
    tensors = runtime.pack("leaves").tensors
    floats = sum(array.size for _, array in tensors.items()) + tensors.prefix_length
    assert (runtime.status().active_tasks, runtime.status().active_bytes) == (1, 4 * floats)


def test_status_knows_how_long_each_stage_took() -> None:
    runtime = open_images()
    runtime.predict(make_images(BATCH_ROWS + 1), task="leaves")
    stages = runtime.status().stages
    assert {name: stage.count for name, stage in stages.items()} == {
        "prepare": 2,
        "switch": 1,
        "run": 2,
        "head": 1,
    }
    assert 0 < stages["run"].p50_ms <= stages["run"].p95_ms <= stages["run"].p99_ms


def test_a_budget_of_nothing_still_answers() -> None:
    small = Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS, active_bytes=0)
    found, expected = (runtime.predict(make_images(), task="leaves") for runtime in (small, open_images()))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert small.status().active_bytes == 0


def test_warming_up_makes_tasks_active_and_is_no_call() -> None:
    runtime = open_images()
    runtime.warm_up(["leaves", "steel"], rows=2)
    assert (runtime.status().active_tasks, runtime.status().stages) == (2, {})


def test_a_text_backbone_warms_up() -> None:
    runtime = Runtime.open(TEXT_BUNDLE, TEXT_PACKS)
    runtime.warm_up(["mood"])
    assert runtime.status().active_tasks == 1


def test_the_profile_says_how_many_rows_a_call_holds(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(bundle.path / "bundle.json", lambda value: value["profile"].update(batch=2))
    runtime = Runtime.open(bundle.path, IMAGE_PACKS)
    runtime.predict(make_images(5), task="leaves")
    assert runtime.status().stages["run"].count == 3


def test_a_pack_verifies_on_this_device() -> None:
    assert open_images().verify("leaves") < 1e-5


def test_a_pack_that_this_device_does_not_reproduce_is_refused(tmp_path: Path) -> None:
    runtime = open_images(write_pack_file(tmp_path).parent)
    with pytest.raises(
        ProbeMismatchError, match=r"leaves-1.ecpack: found features that differ by .* in fp32"
    ):
        runtime.verify("leaves")


def test_a_probe_without_a_tolerance_for_the_precision_is_refused(tmp_path: Path) -> None:
    write_pack_file(tmp_path, probe=Probe((0,), {"int8": 1.0}), tensors=make_tensors())
    with pytest.raises(ProbeMismatchError, match="found tolerances for int8, expected one for fp32"):
        open_images(tmp_path).verify("leaves")
