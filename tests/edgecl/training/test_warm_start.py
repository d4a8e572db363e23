from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from edgecl.backbones.injection import InjectedBackbone
from edgecl.config import RunConfig
from edgecl.errors import RunError
from edgecl.training.averages import averaged, mixed, shares
from edgecl.training.checkpoint import Progress
from edgecl.training.features import learner_features
from edgecl.training.gate import Choice, Gain, fold_hits, pooled
from edgecl.training.loop import Lesson, train_lessons
from edgecl.training.run import Run
from edgecl.training.signature import Signature
from edgecl.training.train import add_tasks, train_stream
from edgecl.training.workers import Workers
from tests.edgecl.factories import (
    Recorder,
    changed,
    edit_json,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)
from tests.edgecl.training.test_resume import assert_same_tensors

FROZEN = 1e-30


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return changed(
        make_config(make_image_folder(tmp_path / "vit"), epochs=1),
        transfer={"start": "gated", "proposal": "tasks"},
    )


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Path]:
    """Data of three tasks, the third of them those of the second."""
    bright = make_image_data(tmp_path / "bright.npz", classes=2, seed=1)
    return {"far": make_image_data(tmp_path / "far.npz", classes=4), "near": bright, "new": bright}


def train(config: RunConfig, folder: Path, data: dict[str, Path]) -> Run:
    specs = [make_spec(path, name=name) for name, path in data.items()]
    return train_stream(config, specs, folder, report=Recorder())


def test_a_task_without_earlier_ones_starts_afresh(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    record = train(config, tmp_path / "run", data).task("far")
    assert (record.parent, record.parent_gains) == (None, {})


def test_every_earlier_task_is_tried_where_they_are_few(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    record = train(config, tmp_path / "run", data).task("new")
    assert set(record.parent_gains) == {"far", "near"}


def test_no_more_than_the_nearest_candidates_are_tried(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    run = train(changed(config, transfer={"candidates": 1}), tmp_path / "run", data)
    assert set(run.task("new").parent_gains) == {"near"}


@pytest.mark.parametrize("taken", [(Gain(9.0, 1.0), "far"), (Gain(0.5, 1.0), None)])
def test_the_parent_is_taken_by_what_it_gains(
    tmp_path: Path,
    config: RunConfig,
    data: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    taken: tuple[Gain, str | None],
) -> None:
    gain, parent = taken
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"far": gain})
    del data["new"]
    record = Run.open(train(config, tmp_path / "run", data).folder).task("near")
    assert (record.parent, record.parent_gains) == (parent, {"far": gain})


def test_a_task_that_gains_by_the_average_starts_from_it(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"near": Gain(9.0, 1.0)})
    new = data.pop("new")
    run = train(changed(config, transfer={"start": "average"}), tmp_path / "run", data)
    average = averaged(run, rate=0.5).adapter_up
    gate = {"start": "gated", "proposal": "average", "learning_rate_factor": FROZEN}
    edit_json(run.folder / "run.json", config=msgspec.to_builtins(changed(run.record.config, transfer=gate)))
    add_tasks(run.folder, [make_spec(new, name="new")], report=Recorder())
    assert run.task("new").parent == "near"
    assert np.array_equal(run.tensors("new").adapter_up, average)
    assert not np.array_equal(run.tensors("near").adapter_up, average)


@pytest.mark.parametrize(
    ("own", "parent"),
    [(Gain(1.0, 5.0), "near"), (Gain(-4.0, 5.0), "near"), (Gain(-6.0, 5.0), None)],
    ids=["for it", "hardly against it", "against it by more than its error"],
)
def test_what_the_tasks_before_gained_counts_unless_the_new_one_speaks_against_it(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    config: RunConfig,
    data: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    own: Gain,
    parent: str | None,
) -> None:
    found = iter([{"far": Gain(9.0, 1.0)}, {"near": own}])
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: next(found))
    run = train(changed(config, transfer={"proposal": "average"}), tmp_path / "run", data)
    record = run.task("new")
    assert (record.parent, record.parent_gains) == (parent, {"near": own})
    assert record.parent_evidence == pooled([Gain(9.0, 1.0), own])


@pytest.mark.parametrize(
    ("settings", "gain", "parent"),
    [
        ({}, Gain(2.9, 1.0), None),
        ({}, Gain(3.1, 1.0), "far"),
        ({}, Gain(3.1, 4.0), None),
        ({"least_gain": 0.0}, Gain(0.2, 0.1), "far"),
        ({"least_gain": 5.0}, Gain(4.9, 0.1), None),
        ({"margin": 2.0}, Gain(7.9, 4.0), None),
    ],
)
@pytest.mark.parametrize("proposal", ["average", "tasks"])
def test_earlier_tasks_must_be_worth_three_points_and_an_error_or_what_is_asked_for(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    config: RunConfig,
    data: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, float],
    gain: Gain,
    parent: str | None,
    proposal: str,
) -> None:
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"far": gain})
    del data["new"]
    asked = changed(config, transfer={"proposal": proposal, **settings})
    assert train(asked, tmp_path / "run", data).task("near").parent == parent


def test_what_the_tasks_before_gained_does_not_count_where_a_task_is_judged_alone(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([{"far": Gain(9.0, 1.0)}, {"near": Gain(1.0, 5.0)}])
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: next(found))
    alone = changed(config, transfer={"proposal": "average", "evidence": "task"})
    record = train(alone, tmp_path / "run", data).task("new")
    assert (record.parent, record.parent_evidence) == (None, None)


def test_a_rate_of_one_is_always_the_task_before(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    run = train(changed(config, transfer={"start": "average", "average_rate": 1.0}), tmp_path / "run", data)
    assert [task.parent for task in run.tasks] == [None, "far", "near"]


def test_the_average_moves_to_each_task_by_its_rate(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    run = train(changed(config, transfer={"start": "average"}), tmp_path / "run", data)
    first, second, third = (run.tensors(name).adapter_up for name in run.names)
    start = averaged(run, rate=0.25)
    expected = 0.75 * (0.75 * first + 0.25 * second) + 0.25 * third
    np.testing.assert_allclose(start.adapter_up, expected, rtol=0, atol=1e-7)
    assert start.head_weight.shape == run.tensors("new").head_weight.shape


def test_a_mixture_is_weighted_by_how_near_the_tasks_are(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    run = train(changed(config, transfer={"start": "average"}), tmp_path / "run", data)
    bare = np.random.default_rng(0).normal(size=(8, run.tensors("new").head_weight.shape[1]))
    mine = Signature.of(bare)
    for name, distance in (("far", 4.0), ("near", 2.0), ("new", 1.0)):
        moved = Signature(mine.mean + np.float32(distance / len(mine.mean) ** 0.5), mine.variance)
        save_file(
            {"mean": moved.mean, "variance": moved.variance}, run.task_folder(name) / "signature.safetensors"
        )
    weights = np.exp([-2.0, -1.0, -0.5])
    expected = sum(w * run.tensors(name).adapter_up for w, name in zip(weights, run.names, strict=True))
    np.testing.assert_allclose(mixed(run, bare).adapter_up, expected / weights.sum(), rtol=0, atol=1e-6)


def test_a_mixture_may_be_what_is_proposed(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = changed(config, transfer={"proposal": "mixture", "learning_rate_factor": FROZEN})
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"far": Gain(9.0, 1.0)})
    del data["new"]
    run = train(asked, tmp_path / "run", data)
    assert run.task("near").parent == "far"
    assert np.array_equal(run.tensors("near").adapter_up, run.tensors("far").adapter_up)


def test_a_task_that_started_afresh_is_not_in_the_average(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    run = train(changed(config, transfer={"start": "identity"}), tmp_path / "run", data)
    assert np.array_equal(averaged(run, rate=0.5).adapter_up, run.tensors("far").adapter_up)


def test_an_added_task_starts_from_the_one_before_it(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    new = data.pop("new")
    run = train(changed(config, transfer={"start": "average", "average_rate": 1.0}), tmp_path / "run", data)
    add_tasks(run.folder, [make_spec(new, name="new")], report=Recorder())
    assert run.task("new").parent == "near"


@pytest.mark.parametrize("name", ["adaprefix", "adaprefix++"])
def test_a_task_has_the_modules_of_its_parent_before_it_is_trained(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], name: str
) -> None:
    del data["new"]
    start = {"start": "average", "average_rate": 1.0, "learning_rate_factor": FROZEN}
    run = train(changed(config, transfer=start, method={"name": name}), tmp_path / "run", data)
    parent, child = run.tensors("far"), run.tensors("near")
    assert np.array_equal(child.adapter_up, parent.adapter_up)
    assert np.array_equal(child.prefix_k, parent.prefix_k)
    assert parent.adapter_up.any()


@pytest.mark.parametrize(("name", "start"), [("adaprefix", "average"), ("adaprefix++", "average")])
def test_the_head_sees_features_centred_as_they_are_where_the_modules_start(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    config: RunConfig,
    data: dict[str, Path],
    name: str,
    start: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    centres: list[torch.Tensor] = []

    def look(backbone: InjectedBackbone, lessons: Sequence[Lesson], **rest: Any) -> Progress:
        learner = lessons[0].learner
        items, preprocessor = lessons[0].items.prepared, rest["preprocessor"]
        first = learner_features(learner, backbone, items, preprocessor=preprocessor).mean(axis=0)
        centres.append(learner.head.mean - torch.from_numpy(first))
        return train_lessons(backbone, lessons, **rest)

    monkeypatch.setattr("edgecl.training.one_task.train_lessons", look)
    method = {"name": name, "rank": 4, "prefix_length": 3}
    train(changed(config, transfer={"start": start}, method=method), tmp_path / "run", data)
    torch.testing.assert_close(torch.stack(centres[1:]), torch.zeros(2, len(centres[0])), rtol=0.0, atol=1e-6)


def test_the_rate_of_a_task_that_starts_afresh_is_its_own(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    slow = changed(config, transfer={"start": "average", "average_rate": 1.0, "learning_rate_factor": FROZEN})
    one = {"far": data["far"]}
    assert_same_tensors(train(slow, tmp_path / "slow", one), train(config, tmp_path / "run", one), "far")


@pytest.mark.parametrize("name", ["adaprefix", "adaprefix++", "shared"])
def test_a_task_that_is_trained_alone_is_what_it_would_be_as_the_first(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], name: str
) -> None:
    alone = changed(config, transfer={"start": "identity"}, method={"name": name, "alone": True})
    run = train(alone, tmp_path / "run", {"far": data["far"]})
    add_tasks(run.folder, [make_spec(data["near"], name="near")], report=Recorder())
    first = train(alone, tmp_path / "first", {"near": data["near"]})
    assert_same_tensors(run, first, "near")
    assert [task.shared_bytes for task in run.tasks] == [0, 0]


def test_a_task_that_is_trained_alone_has_no_parent(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    alone = changed(
        config,
        transfer={"start": "average", "average_rate": 1.0},
        method={"name": "adaprefix++", "alone": True},
    )
    assert [task.parent for task in train(alone, tmp_path / "run", data).tasks] == [None, None, None]


def test_a_signature_that_is_lost_is_named(tmp_path: Path, config: RunConfig, data: dict[str, Path]) -> None:
    config, new = changed(config, transfer={"candidates": 1}), data.pop("new")
    run = train(config, tmp_path / "run", data)
    (run.task_folder("far") / "signature.safetensors").unlink()
    with pytest.raises(
        RunError, match="far/signature.safetensors: cannot be read .* transfer.start=identity"
    ):
        train(config, run.folder, data | {"new": new})


def test_the_distance_of_signatures_is_that_of_bures() -> None:
    features = np.array([[0.0, 0.0], [2.0, 4.0]], np.float32)
    one, other = Signature.of(features), Signature.of(3 * features)
    assert one.distance(one) == 0.0
    assert one.distance(other) == pytest.approx(((2.0**2 + 4.0**2) + (2.0**2 + 4.0**2)) ** 0.5)


def test_a_score_that_gives_no_number_starts_nothing(tmp_path: Path, config: RunConfig) -> None:
    few = {name: make_image_data(tmp_path / f"{name}.npz", items=8, classes=4) for name in ("far", "near")}
    asked = changed(config, transfer={"chooser": "h_lwc", "proposal": "average"})
    record = train(asked, tmp_path / "run", few).task("near")
    assert (record.parent, record.parent_gains, record.parent_evidence) == (None, {}, None)


def test_two_items_of_each_class_give_no_gain_in_score(tmp_path: Path, config: RunConfig) -> None:
    few = {name: make_image_data(tmp_path / f"{name}.npz", items=12, classes=4) for name in ("far", "near")}
    asked = changed(config, transfer={"chooser": "h_lwc", "proposal": "average"})
    run = Run.open(train(asked, tmp_path / "run", few).folder)
    assert run.task("near").train_items == 8
    assert [(task.parent_gains, task.parent_evidence) for task in run.tasks] == [({}, None)] * 2


@pytest.mark.parametrize(("gain", "parent"), [(9.0, "near"), (-9.0, None)])
def test_where_the_items_of_a_task_say_nothing_the_tasks_before_decide(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    config: RunConfig,
    data: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    parent: str | None,
) -> None:
    found = iter([{"far": Gain(gain, 1.0)}, {}])
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: next(found))
    record = train(changed(config, transfer={"proposal": "average"}), tmp_path / "run", data).task("new")
    assert (record.parent, record.parent_gains, record.parent_evidence) == (parent, {}, Gain(gain, 1.0))


def test_one_item_of_each_class_gives_no_gain_in_accuracy(tmp_path: Path, config: RunConfig) -> None:
    few = {name: make_image_data(tmp_path / f"{name}.npz", items=6, classes=3) for name in ("far", "near")}
    record = train(changed(config, transfer={"proposal": "average"}), tmp_path / "run", few).task("near")
    assert record.train_items == 3
    assert (record.parent, record.parent_gains, record.parent_evidence) == (None, {}, None)


def test_all_processes_start_a_task_as_the_first_one_decides(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = Choice("far", {"far": Gain(9.0, 1.0)})
    monkeypatch.setattr(Workers, "of_first", lambda _, own: decided if isinstance(own, Choice) else own)
    monkeypatch.setattr("edgecl.training.warm_start.gains", lambda *_: {"far": Gain(-9.0, 1.0)})
    record = train(config, tmp_path / "run", data).task("new")
    assert (record.parent, record.parent_gains) == ("far", {"far": Gain(9.0, 1.0)})


@given(st.lists(st.floats(0, allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=16))
@example([10.0, 12.0, 0.0, 0.0, 0.0])
def test_the_shares_of_a_mixture_are_finite_and_add_up_to_one(distances: list[float]) -> None:
    found = shares(np.array(distances))
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1.0)


def test_a_mixture_with_tasks_that_are_far_too_far_is_that_of_the_others(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(changed(config, transfer={"start": "average"}), tmp_path / "run", data)
    monkeypatch.setattr(Signature, "distance", Mock(side_effect=[10.0, 0.0, 0.0]))
    _, second, third = (run.tensors(name).adapter_up for name in run.names)
    found = mixed(run, np.ones((2, run.tensors("new").head_weight.shape[1]), np.float32)).adapter_up
    np.testing.assert_allclose(found, (second + third) / 2, rtol=0, atol=1e-7)


def test_the_score_may_choose_instead_of_the_folds(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    run = train(changed(config, transfer={"chooser": "h_lwc"}), tmp_path / "run", data)
    assert set(run.task("new").parent_gains) == {"far", "near"}


def test_for_an_ablation_labels_are_permuted_before_the_folds_judge(
    tmp_path: Path, config: RunConfig, data: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Mock(wraps=fold_hits)
    monkeypatch.setattr("edgecl.training.warm_start.fold_hits", judge)
    judged = []
    for chooser in ("folds", "permuted"):
        judge.reset_mock()
        train(changed(config, transfer={"chooser": chooser}), tmp_path / chooser, data)
        judged.append([call.args[1].tolist() for call in judge.call_args_list])
    assert [sorted(each) for each in judged[0]] == [sorted(each) for each in judged[1]]
    assert judged[0] != judged[1]


def test_for_an_ablation_a_draw_decides_what_starts_from_earlier_tasks(
    tmp_path: Path, config: RunConfig, data: dict[str, Path]
) -> None:
    asked, _ = changed(config, transfer={"chooser": "random"}), data.pop("new")
    records = [
        train(msgspec.structs.replace(asked, seed=seed), tmp_path / str(seed), data).task("near")
        for seed in range(4)
    ]
    assert {record.parent for record in records} == {None, "far"}
    assert all(record.parent_gains == {} for record in records)
