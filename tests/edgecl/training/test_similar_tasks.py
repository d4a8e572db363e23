from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecl.errors import RunError
from edgecl.similarity import Similarity, compare
from edgecl.streams import load_task
from edgecl.training.similar_tasks import NewTask, compare_new_task
from tests.edgecl.factories import make_image_data, make_spec
from tests.edgecl.report.factories import make_record, make_run
from tests.exported import Field

WIDTH = 24


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a task that no run has seen, 120 training items of 3 classes."""
    return make_image_data(tmp_path_factory.mktemp("new") / "new.npz", items=150, classes=3, seed=9)


def make_features(labels: np.ndarray, *, gaps: tuple[float, ...], seed: int) -> list[np.ndarray]:
    """Return what sources whose classes are so far apart say about items, [n, WIDTH] each."""
    random = np.random.default_rng(seed)
    means = random.normal(size=(labels.max() + 1, WIDTH))
    spectrum = 1.0 / np.sqrt(np.arange(1, WIDTH + 1))
    return [(random.normal(size=(len(labels), WIDTH)) + gap * means[labels]) * spectrum for gap in gaps]


def features_of(under: list[np.ndarray]) -> Callable[..., np.ndarray]:
    """Return a stand-in for `features` that gives the bare backbone the first of these, and tasks the next ones."""
    left = iter(under)
    return lambda *_, **__: next(left)


def compared(field: Field, data: Path) -> NewTask:
    """Compare a new task with those of a run, and tell nobody."""
    return compare_new_task(
        field.run,
        make_spec(data, name="new"),
        method="h_lwc",
        progress=lambda *_: None,
        on_features=lambda *_: None,
        on_source=lambda *_: None,
    )


def test_tasks_of_the_same_worth_are_not_ranked_because_the_bare_backbone_differs(
    image_field: Field, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = load_task(make_spec(new), seed=0).train.targets
    reliable = []
    for seed in range(12):
        under = make_features(labels, gaps=(0.0, 1.0, 1.0, 1.0), seed=seed)
        monkeypatch.setattr("edgecl.training.similar_tasks.features", features_of(under))
        reliable.append(compared(image_field, new).comparison.reliable)
    assert reliable == [False] * 12


def test_tasks_that_differ_are_ranked_and_the_bare_backbone_stands_beside_them(
    image_field: Field, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = load_task(make_spec(new), seed=0).train.targets
    bare, *tasks = make_features(labels, gaps=(0.0, 0.3, 0.8, 2.0), seed=0)
    monkeypatch.setattr("edgecl.training.similar_tasks.features", features_of([bare, *tasks]))
    found = compared(image_field, new)
    assert found.comparison == compare(dict(zip(image_field.tasks, tasks, strict=True)), labels)
    assert found.comparison.reliable
    assert found.bare == compare({"bare": bare}, labels).sources["bare"]
    assert isinstance(found.bare, Similarity)
    assert list(found.sources) == ["no task", *image_field.tasks]


def test_a_peer_without_tensors_is_refused_by_name(tmp_path: Path) -> None:
    peer = make_run(tmp_path / "peer", [make_record("signs", 0)], method={"name": "lora"})
    (peer.task_folder("signs") / "tensors.safetensors").unlink()
    with pytest.raises(RunError, match="peer: found tasks of lora.*expected a run whose tasks ship"):
        compare_new_task(
            peer,
            make_spec(tmp_path / "none.npz", name="new"),
            method="h_lwc",
            progress=lambda *_: None,
            on_features=lambda *_: None,
            on_source=lambda *_: None,
        )
