from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from edgecl.config import RunConfig
from edgecl.methods import NewTask, Relations
from edgecl.similarity import Comparison, task_distances
from edgecl.training.loop import TrainingItems
from edgecl.training.ready import prepare
from edgecl.training.relations import measure_relations
from edgecl.training.session import Session
from edgecl.training.train import load_run_backbone, train_stream
from edgecl.training.workers import Workers
from tests.edgecl.factories import (
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)
from tests.edgecl.similarity.factories import make_similarity


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone and data."""
    folder = tmp_path_factory.mktemp("relations")
    make_image_folder(folder / "vit")
    make_image_data(folder / "shade.npz")
    return folder


def guided(folder: Path, *, method: dict[str, Any] | None = None, **generator: Any) -> RunConfig:
    options = {"guidance": "distance", "task_embedding": "vector", **generator}
    return changed(
        make_config(folder / "vit", epochs=1),
        method={"name": "adaprefix++", **(method or {})},
        generator=options,
    )


def relations(folder: Path, run: Path, *, earlier: int = 3, **generator: Any) -> Relations | None:
    """Return the relations of a new task to some that were trained on the same data."""
    return relations_by_seed(folder, run, (0,), earlier=earlier, **generator)[0]


def relations_by_seed(
    folder: Path, run: Path, seeds: Iterable[int], *, earlier: int, **generator: Any
) -> list[Relations | None]:
    """Return the relations of a new task to some that were trained on the same data, for each seed."""
    specs = [make_spec(folder / "shade.npz", name=f"task-{number}") for number in range(earlier)]
    trained = train_stream(guided(folder, **generator), specs, run, report=Recorder())
    backbone = load_run_backbone(trained)
    session = Session(trained, backbone, Recorder(), Workers())
    spec = make_spec(folder / "shade.npz", name="new")
    ready = prepare(spec, backbone, seed=0, on_items=lambda *_: None)
    bare = np.random.default_rng(0).normal(size=(len(ready.data.train), 64))
    items = TrainingItems(ready.prepared.train, ready.data.train.targets)
    return [measure_relations(session, items, bare, seed=seed) for seed in seeds]


@pytest.mark.parametrize("source", ["h_lwc", "permuted", "random"])
def test_every_earlier_task_has_a_positive_distance(folder: Path, tmp_path: Path, source: str) -> None:
    found = relations(folder, tmp_path / "run", guidance_from=source)
    assert found is not None
    assert set(found.distances) == {"task-0", "task-1", "task-2"}
    assert all(distance > 0 for distance in found.distances.values())


RELATIVE = np.exp([0.5 / (3.0 + 1 / 1.35), -0.5 / (1.0 + 1 / 1.35)])
"""The distances of what `compared_reliably` returns."""


def compared_reliably(sources: Iterable[str], *_: Any, **__: Any) -> Comparison:
    """Return a comparison in which the second source says more, in its score but in half of the subsamples only."""
    similarities = (make_similarity(1.0, replicates=(1.0, 4.0)), make_similarity(3.0, replicates=(2.0, 3.0)))
    named = dict(zip(sources, similarities, strict=False))
    return Comparison(named, spread=1.0, spread_error=0.1, kendall_tau=1.0, doubts=())


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("relative", RELATIVE),
        ("ahp_ratio", np.exp([-0.25, -0.75])),
        ("ahp_winrate", np.exp([-0.5, -0.5])),
    ],
)
def test_scores_become_distances_as_the_settings_say(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalization: str, expected: np.ndarray
) -> None:
    monkeypatch.setattr("edgecl.training.relations.compare", compared_reliably)
    found = relations(folder, tmp_path / "run", earlier=2, guidance_normalization=normalization)
    assert found is not None
    assert found.reliable
    assert list(found.distances.values()) == pytest.approx(expected)


def compared_in_order(sources: Iterable[str], *_: Any, **__: Any) -> Comparison:
    """Return a reliable comparison in which each source says more than the one before it."""
    named = {name: make_similarity(float(place)) for place, name in enumerate(sources)}
    return Comparison(named, spread=1.0, spread_error=0.1, kendall_tau=1.0, doubts=())


def test_random_distances_are_the_measured_ones_of_which_chance_says_whose_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecl.training.relations.compare", compared_in_order)
    seeds = (*range(8), 0)
    found = relations_by_seed(folder, tmp_path / "run", seeds, earlier=3, guidance_from="random")
    dealt = [tuple(each.distances.values()) for each in found if each is not None]
    measured = task_distances(compared_in_order(("task-0", "task-1", "task-2")))
    assert [sorted(distances) for distances in dealt] == [sorted(measured)] * len(seeds)
    assert len(set(dealt)) > 1
    assert dealt[0] == dealt[-1]
    assert all(each is not None and each.reliable for each in found)


def test_permuted_labels_have_distances_of_their_own_where_those_that_were_measured_are_reliable(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter([(), ("noise",)])  # nobody would rely on what permuted labels say

    def compared(sources: Iterable[str], *_: Any, **__: Any) -> Comparison:
        names = list(sources)
        doubts = next(said) if len(names) == 2 else ()  # with one before it, a task is only trained here
        found = compared_reliably(names)
        said_otherwise = dict(zip(names, [*found.sources.values()][::-1], strict=True))
        return replace(found, sources=said_otherwise, doubts=doubts) if doubts else found

    monkeypatch.setattr("edgecl.training.relations.compare", compared)
    found = relations(folder, tmp_path / "run", earlier=2, guidance_from="permuted")
    assert found is not None
    assert found.reliable
    assert list(found.distances.values()) != pytest.approx(RELATIVE)
    assert 1.0 not in found.distances.values()


@pytest.mark.parametrize("source", ["permuted", "random"])
def test_ablations_guide_nothing_where_what_was_measured_would_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    def doubtful(sources: Iterable[str], *_: Any, **__: Any) -> Comparison:
        return replace(compared_reliably(sources), doubts=("noise",))

    monkeypatch.setattr("edgecl.training.relations.compare", doubtful)
    found = relations(folder, tmp_path / "run", earlier=2, guidance_from=source)
    assert found == Relations({"task-0": 1.0, "task-1": 1.0}, reliable=False)


def test_the_raw_score_guides_as_published_though_nobody_would_rely_on_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def doubtful(sources: Iterable[str], *_: Any, method: str = "h_lwc", **__: Any) -> Comparison:
        asked.append(method)
        return replace(compared_reliably(sources), doubts=("noise",))

    monkeypatch.setattr("edgecl.training.relations.compare", doubtful)
    found = relations(folder, tmp_path / "run", earlier=2, guidance_from="h_raw")
    assert found is not None
    assert found.reliable
    assert list(found.distances.values()) == pytest.approx(RELATIVE)
    assert set(asked) == {"h_raw"}


def test_the_raw_score_of_too_few_items_says_the_same_of_every_task(folder: Path, tmp_path: Path) -> None:
    found = relations(folder, tmp_path / "run", earlier=2, guidance_from="h_raw")  # 39 items of 64 features
    assert found == Relations({"task-0": 1.0, "task-1": 1.0}, reliable=True)


def test_a_record_says_what_guided_its_task(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecl.training.relations.compare", compared_reliably)
    specs = [make_spec(folder / "shade.npz", name=name) for name in ("one", "two", "three")]
    run = train_stream(guided(folder), specs, tmp_path / "run", report=Recorder())
    assert [set(task.guided_by) for task in run.tasks] == [set(), {"one"}, {"one", "two"}]


@pytest.mark.parametrize("source", ["h_lwc", "h_raw", "permuted", "random"])
def test_a_single_earlier_task_is_no_reason_to_prefer_it(folder: Path, tmp_path: Path, source: str) -> None:
    found = relations(folder, tmp_path / "run", earlier=1, guidance_from=source)
    assert found == Relations({"task-0": 1.0}, reliable=False)


def test_guidance_ranks_earlier_tasks_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = Mock(side_effect=compared_in_order)
    monkeypatch.setattr("edgecl.training.relations.compare", compared)
    relations(folder, tmp_path / "run", earlier=2)
    assert set(compared.call_args.args[0]) == {"task-0", "task-1"}


@pytest.mark.parametrize("learns", ["alone", "jointly"])
def test_a_task_that_does_not_build_on_others_has_no_relations(
    folder: Path, tmp_path: Path, learns: str
) -> None:
    assert relations(folder, tmp_path / "run", earlier=2, method={learns: True}) is None


def test_guided_tasks_can_be_trained_alone(folder: Path, tmp_path: Path) -> None:
    config = guided(folder, method={"alone": True})
    specs = [make_spec(folder / "shade.npz", name=name) for name in ("one", "two")]
    assert train_stream(config, specs, tmp_path / "run", report=Recorder()).names == ("one", "two")


def test_a_task_that_learns_alone_knows_of_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Mock(wraps=NewTask)
    monkeypatch.setattr("edgecl.training.one_task.NewTask", spy)
    specs = [make_spec(folder / "shade.npz", name=name) for name in ("one", "two")]
    for learns, run in (({}, "after"), ({"alone": True}, "alone")):
        train_stream(guided(folder, method=learns), specs, tmp_path / run, report=Recorder())
    assert [call.kwargs["known"] for call in spy.call_args_list] == [0, 1, 0, 0]


def test_without_guidance_nothing_is_measured(folder: Path, tmp_path: Path) -> None:
    assert relations(folder, tmp_path / "run", earlier=1, guidance="none") is None


def test_all_processes_go_by_the_relations_of_the_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed: list[object] = []

    def of_first(_: Workers, value: object) -> object:
        agreed.append(value)
        return value

    monkeypatch.setattr(Workers, "of_first", of_first)
    specs = [make_spec(folder / "shade.npz", name=f"task-{number}") for number in range(2)]
    train_stream(guided(folder), specs, tmp_path / "run", report=Recorder())
    assert [set(each.distances) for each in agreed if isinstance(each, Relations)] == [{"task-0"}]
