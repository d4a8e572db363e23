"""A task per row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl_runtime import InputError, Runtime, UnknownTaskError
from edgecl_runtime.engine.feeds import FeedsEngine
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

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
TASKS = ("leaves", None, "steel", "plain", "steel", "leaves")
SIZES = {"none": (0, 0), "rank": (0, 5), "prefix": (7, 0), "both": (2, 3), "other": (5, 1)}


@pytest.fixture(params=["grouped", "together"])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A runtime that calls once per task, as on a CPU, or once for all, as on a GPU."""
    monkeypatch.setattr(FeedsEngine, "on_gpu", request.param == "together")
    return Runtime.open(IMAGE_BUNDLE, IMAGE_PACKS)


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Tasks of all ranks and prefix lengths."""
    folder = tmp_path_factory.mktemp("sizes")
    for seed, (name, (prefix_length, rank)) in enumerate(SIZES.items()):
        tensors = make_tensors(seed=seed, prefix_length=prefix_length, rank=rank)
        write_pack_file(folder, task=name, tensors=tensors)
    return Runtime.open(IMAGE_BUNDLE, folder)


def test_each_row_is_what_its_task_says_alone(runtime: Runtime) -> None:
    mixed = runtime.predict(IMAGES, tasks=TASKS)
    for row in (0, 2, 3, 4, 5):
        alone = runtime.predict(IMAGES[row], task=str(TASKS[row]))
        assert (mixed.labels[row], mixed.classes[row]) == (alone.labels[0], alone.classes)
        np.testing.assert_allclose(mixed.probabilities[row], alone.probabilities[0], atol=1e-5)
        np.testing.assert_allclose(mixed.features[row], alone.features[0], atol=1e-5)


def test_a_row_without_a_task_has_bare_features_and_no_label(runtime: Runtime) -> None:
    mixed = runtime.predict(IMAGES, tasks=TASKS)
    assert (mixed.tasks, mixed.labels[1], mixed.classes[1]) == (TASKS, None, ())
    assert mixed.probabilities[1].shape == (0,)
    np.testing.assert_allclose(mixed.features[1], runtime.features(IMAGES[1])[0], atol=1e-5)


def test_rows_that_all_lack_a_task_are_bare(runtime: Runtime) -> None:
    mixed = runtime.predict(IMAGES, tasks=[None] * 6)
    assert mixed.labels == (None,) * 6
    np.testing.assert_allclose(mixed.features, runtime.features(IMAGES), atol=1e-5)


def test_no_rows_are_an_empty_prediction(runtime: Runtime) -> None:
    mixed = runtime.predict([], tasks=[])
    assert (mixed.labels, mixed.features.shape) == ((), (0, 8))


def test_more_rows_than_a_call_holds_keep_their_order(runtime: Runtime) -> None:
    images, tasks = np.concatenate([IMAGES] * 23), TASKS * 23
    mixed = runtime.predict(images, tasks=tasks)
    np.testing.assert_allclose(
        mixed.features, [*runtime.predict(IMAGES, tasks=TASKS).features] * 23, atol=1e-5
    )
    assert mixed.tasks == tasks


def test_a_gpu_is_called_once_for_all_tasks(runtime: Runtime) -> None:
    runtime.predict(IMAGES, tasks=TASKS)
    assert runtime.status().stages["run"].count == (1 if runtime._engine.on_gpu else 4)


def test_a_set_of_tasks_that_shared_a_call_goes_when_one_of_them_does(runtime: Runtime) -> None:
    runtime.predict(IMAGES, tasks=TASKS)
    for task in ("steel", "leaves", "plain"):
        runtime.remove(task)
    assert (runtime.status().active_tasks, runtime.status().active_bytes) == (0, 0)


@pytest.mark.parametrize("together", [False, True])
@settings(deadline=None, max_examples=25)
@given(chosen=st.lists(st.sampled_from([None, *SIZES]), min_size=1, max_size=7))
def test_any_mix_of_sizes_equals_single_calls(
    sizes: Runtime, together: bool, chosen: list[str | None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeedsEngine, "on_gpu", together)
        mixed = sizes.predict(IMAGES[np.arange(len(chosen)) % 6], tasks=chosen)
    alone = [sizes.features(IMAGES[row % 6], task=task)[0] for row, task in enumerate(chosen)]
    np.testing.assert_allclose(mixed.features, alone, atol=1e-5)


@pytest.mark.parametrize("backend", ["binding", "flat"])
def test_every_backend_takes_a_task_per_row(tmp_path: Path, backend: str) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(bundle.path / "bundle.json", lambda value: value["profile"].update(backend=backend))
    found, expected = (
        Runtime.open(folder, IMAGE_PACKS).predict(IMAGES, tasks=TASKS)
        for folder in (bundle.path, IMAGE_BUNDLE)
    )
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)


def test_texts_of_any_length_share_a_call() -> None:
    texts = ["good dog", "very bad cat runs", ""]
    runtime = Runtime.open(TEXT_BUNDLE, TEXT_PACKS)
    mixed = runtime.predict(texts, tasks=["mood", None, "mood"])
    np.testing.assert_allclose(mixed.features[2], runtime.features("", task="mood")[0], atol=1e-5)
    np.testing.assert_allclose(mixed.features[1], runtime.features(texts[1])[0], atol=1e-5)


def test_one_task_per_item_is_asked_for(runtime: Runtime) -> None:
    with pytest.raises(InputError, match="found 2 tasks for 6 items"):
        runtime.predict(IMAGES, tasks=["leaves", None])


def test_an_unknown_task_of_a_row_is_named(runtime: Runtime) -> None:
    with pytest.raises(UnknownTaskError, match="'moss'"):
        runtime.predict(IMAGES[:1], tasks=["moss"])


@pytest.mark.parametrize("arguments", [{}, {"task": "leaves", "tasks": ["leaves"]}])
def test_task_and_tasks_exclude_each_other(runtime: Runtime, arguments: dict[str, object]) -> None:
    with pytest.raises(InputError, match="either task=NAME"):
        runtime.predict(IMAGES[:1], **arguments)  # type: ignore[call-overload]  # what a caller may get wrong
