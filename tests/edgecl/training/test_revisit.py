from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from edgecl.config import RunConfig
from edgecl.evaluation.floors import floor_predictions
from edgecl.training import one_task
from edgecl.training.records import AfterTask, TaskRecord
from edgecl.training.revisit import Revisit
from edgecl.training.run import Learned, Run
from edgecl.training.train import add_tasks, train_stream
from tests.edgecl.factories import (
    Recorder,
    changed,
    make_config,
    make_image_data,
    make_image_folder,
    make_spec,
)
from tests.edgecl.training.test_resume import PowerCutError

NAMES = ("one", "two", "three")


class StopAfter(Recorder):
    """Ends the process when a task is stored, before anything is tested again."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def finished(self, record: TaskRecord) -> None:
        if record.name == self.name:
            raise PowerCutError


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return make_config(make_image_folder(tmp_path / "vit"), epochs=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_image_data(tmp_path / "shade.npz")


def train(
    config: RunConfig,
    folder: Path,
    data: dict[str, Path],
    *,
    matrix: str = "full",
    method: str = "adaprefix",
    report: Recorder | None = None,
) -> Run:
    specs = [make_spec(path, name=name) for name, path in data.items()]
    settings = changed(config, evaluation={"matrix": matrix}, method={"name": method})
    return train_stream(settings, specs, folder, report=report or Recorder())


def tasks(data: Path, count: int = 3) -> dict[str, Path]:
    return dict.fromkeys(NAMES[:count], data)


def after(run: Run, name: str) -> AfterTask:
    found = run.after(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("matrix", "tested"), [("none", []), ("last", ["three"]), ("full", ["one", "two", "three"])]
)
def test_tasks_are_tested_again_when_the_settings_say(
    tmp_path: Path, config: RunConfig, data: Path, matrix: str, tested: list[str]
) -> None:
    run = train(config, tmp_path / "run", tasks(data), matrix=matrix)
    assert [name for name in NAMES if run.after(name) is not None] == tested


def test_every_task_so_far_is_tested(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", tasks(data))
    assert [set(after(run, name).now) for name in NAMES] == [set(NAMES[:count]) for count in (1, 2, 3)]


@pytest.mark.parametrize("method", ["adaprefix", "adaprefix++", "shared"])
def test_what_was_shipped_never_changes(tmp_path: Path, config: RunConfig, data: Path, method: str) -> None:
    run = train(config, tmp_path / "run", tasks(data), method=method, matrix="last")
    assert after(run, "three").shipped_unchanged == dict.fromkeys(NAMES, True)


def test_a_task_on_its_own_does_as_well_as_it_did(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", tasks(data))
    last = after(run, "three")
    assert {name: last.now[name].accuracy for name in NAMES} == {
        task.name: task.accuracy for task in run.tasks
    }
    assert last.drift == dict.fromkeys(NAMES, 0.0)


@pytest.mark.parametrize("method", ["adaprefix++", "shared"])
def test_what_is_shared_drifts(tmp_path: Path, config: RunConfig, data: Path, method: str) -> None:
    drift = after(train(config, tmp_path / "run", tasks(data, 2), method=method), "two").drift
    assert drift["one"] > 0.0
    assert drift["two"] == 0.0


def test_a_task_that_is_trained_alone_cannot_drift(tmp_path: Path, config: RunConfig, data: Path) -> None:
    alone = changed(config, method={"alone": True})
    run = train(alone, tmp_path / "run", tasks(data, 2), method="adaprefix++")
    assert after(run, "two").drift == {"one": 0.0, "two": 0.0}


def test_a_peer_is_not_tested_again(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", tasks(data, 2), method="lora")
    assert run.after("two") is None
    assert (run.task_folder("two") / "peer.safetensors").exists()
    assert not (run.task_folder("two") / "tensors.safetensors").exists()


def test_data_that_are_gone_only_give_a_warning(
    tmp_path: Path, config: RunConfig, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = make_image_data(tmp_path / "gone.npz", seed=1)
    train(config, tmp_path / "run", {"one": gone})
    gone.unlink()
    with caplog.at_level(logging.WARNING):
        run = train(config, tmp_path / "run", {"one": gone, "two": data})
    assert "task 'one' is not tested again: " in caplog.text
    assert set(after(run, "two").now) == {"two"}


def test_other_data_in_their_place_are_not_mistaken_for_them(
    tmp_path: Path, config: RunConfig, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = make_image_data(tmp_path / "moved.npz", seed=1)
    train(config, tmp_path / "run", {"one": moved})
    make_image_data(moved, seed=2)
    with caplog.at_level(logging.WARNING):
        run = train(config, tmp_path / "run", {"one": moved, "two": data})
    assert "task 'one' is not tested again: " in caplog.text
    assert set(after(run, "two").now) == {"two"}


def test_a_longer_stream_tests_what_an_earlier_command_finished(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", tasks(data, 1))
    run = train(config, tmp_path / "run", tasks(data, 2))
    assert after(run, "two").shipped_unchanged == {"one": True, "two": True}


@pytest.mark.parametrize("matrix", ["last", "full"])
@pytest.mark.parametrize("method", ["adaprefix++", "shared"])
def test_what_a_kill_kept_from_being_tested_is_tested_by_the_same_command(
    tmp_path: Path, config: RunConfig, data: Path, matrix: str, method: str
) -> None:
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "run", tasks(data, 2), matrix=matrix, method=method, report=StopAfter("two"))
    assert Run.open(tmp_path / "run").after("two") is None
    run = train(config, tmp_path / "run", tasks(data, 2), matrix=matrix, method=method)
    whole = train(config, tmp_path / "whole", tasks(data, 2), matrix=matrix, method=method)
    assert after(run, "two") == after(whole, "two")


def test_a_kill_in_the_middle_of_a_stream_leaves_no_gap_in_the_matrix(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "run", tasks(data, 2), method="shared", report=StopAfter("one"))
    run = train(config, tmp_path / "run", tasks(data, 2), method="shared")
    whole = train(config, tmp_path / "whole", tasks(data, 2), method="shared")
    assert after(run, "one") == after(whole, "one")
    assert after(run, "two") == after(whole, "two")


def test_the_command_of_the_stream_says_that_it_does_not_test_a_task_that_was_added(
    tmp_path: Path, config: RunConfig, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = train(config, tmp_path / "run", tasks(data, 1))
    add_tasks(run.folder, [make_spec(data, name="added")], report=Recorder())
    train(config, run.folder, tasks(data, 1))
    assert run.after("added") is None
    assert (
        "tasks are not tested again: the newest, 'added', is not in this stream; name it there" in caplog.text
    )


def test_tasks_of_an_earlier_stream_answer_where_nobody_says_the_task(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    config = changed(config, evaluation={"class_incremental": True, "matrix": "last"})
    one, both = [make_spec(data, name="one")], [make_spec(data, name=name) for name in ("one", "two")]
    train_stream(config, one, tmp_path / "parts", report=Recorder())
    parts = train_stream(config, both[1:], tmp_path / "parts", report=Recorder())
    at_once = train_stream(config, both, tmp_path / "at-once", report=Recorder())
    alone = after(parts, "two").class_incremental
    assert alone == {"two": after(at_once, "two").class_incremental["two"]}
    named = train_stream(config, both, tmp_path / "parts", report=Recorder())
    assert after(named, "two") == after(at_once, "two")


def test_a_command_that_names_all_tasks_tests_those_that_an_earlier_one_left_out(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    train(config, tmp_path / "run", {"one": data}, matrix="last")
    parts = train(config, tmp_path / "run", {"two": data}, matrix="last")
    assert set(after(parts, "two").now) == {"two"}
    named = train(config, tmp_path / "run", {"one": data, "two": data}, matrix="last")
    assert set(after(named, "two").now) == {"one", "two"}


def test_what_was_tested_stays_when_its_data_are_gone(tmp_path: Path, config: RunConfig, data: Path) -> None:
    copy = tmp_path / "copy.npz"
    copy.write_bytes(data.read_bytes())
    places = {"one": copy, "two": data}
    tested = after(train(config, tmp_path / "run", places), "two")
    copy.unlink()
    untold = changed(config, evaluation={"matrix": "full", "class_incremental": True})
    specs = [make_spec(path, name=name) for name, path in places.items()]
    again = after(train_stream(untold, specs, tmp_path / "run", report=Recorder()), "two")
    assert (again.now, set(again.class_incremental)) == (tested.now, {"two"})


def test_where_no_data_are_left_nothing_is_written(tmp_path: Path, config: RunConfig, data: Path) -> None:
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "run", tasks(data, 1), report=StopAfter("one"))
    data.unlink()
    assert train(config, tmp_path / "run", tasks(data, 1)).after("one") is None


def test_floors_stand_beside_the_accuracy(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(changed(config, evaluation={"floors": True}), tmp_path / "run", tasks(data, 1))
    record = run.task("one")
    assert set(record.floors) == {"ridge", "lda", "logistic"}
    assert record.best_floor == max(floor.accuracy for floor in record.floors.values())


def test_where_a_class_dominates_the_balanced_accuracy_counts(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    floors = Mock(wraps=floor_predictions)
    monkeypatch.setattr(one_task, "floor_predictions", floors)
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "rare.npz", images=images, labels=np.arange(40) % 10 // 9)
    with_floors = changed(config, evaluation={"floors": True})
    record = train(with_floors, tmp_path / "run", {"rare": tmp_path / "rare.npz"}).task("rare")
    assert record.dominated
    assert record.score == record.balanced_accuracy
    assert floors.call_args.kwargs == {"dominated": True}


def test_what_is_stored_of_a_task_is_counted(tmp_path: Path, config: RunConfig, data: Path) -> None:
    run = train(config, tmp_path / "run", tasks(data, 1), method="adaprefix++")
    record, tensors = run.task("one"), run.tensors("one")
    assert record.size_bytes == sum(2 * array.size for _, array in tensors.items())
    assert record.shared_bytes == sum(tensor.nbytes for tensor in run.method_state().values())
    assert json.loads((run.folder / "metrics.json").read_text())["tasks"][0]["task"] == "one"


def test_only_the_newest_task_holds_what_later_ones_build_on(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, tmp_path / "run", tasks(data, 2), method="adaprefix++")
    assert [(run.task_folder(name) / "method.safetensors").exists() for name in NAMES[:2]] == [False, True]


def test_nobody_is_told_the_task_and_that_costs_accuracy_or_nothing(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    agnostic = changed(config, evaluation={"class_incremental": True})
    found = after(train(agnostic, tmp_path / "run", tasks(data), matrix="last"), "three")
    assert set(found.class_incremental) == set(NAMES)
    assert all(found.class_incremental[name] <= found.now[name].accuracy for name in NAMES)


def test_one_module_for_all_answers_as_it_is_now(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = Mock(return_value=np.eye(9, 3))
    monkeypatch.setattr(Revisit, "_scores", scores)
    agnostic = changed(config, evaluation={"class_incremental": True})
    run = train(agnostic, tmp_path / "run", tasks(data, 2), matrix="last", method="shared")
    first, second = (call.args[1].adapter_up for call in scores.call_args_list[:2])
    assert np.array_equal(first, second)
    assert not np.array_equal(run.tensors("one").adapter_up, run.tensors("two").adapter_up)


def test_a_task_that_is_always_surer_gets_the_items_of_the_other(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    other = {"one": data, "two": make_image_data(tmp_path / "other.npz", classes=2)}
    run = train(config, tmp_path / "run", other, matrix="last")
    tensors = run.tensors("two")
    sure = replace(tensors, head_weight=1000 * tensors.head_weight, head_bias=1000 * tensors.head_bias)
    run.save_task(run.task("two"), Learned(sure, peer={}, state={}), run.heldout("two"))
    agnostic = changed(config, evaluation={"class_incremental": True})
    found = after(train(agnostic, run.folder, other, matrix="last"), "two")
    assert found.class_incremental == {"one": 0.0, "two": found.now["two"].accuracy}


def test_who_asks_for_what_is_reached_untold_needs_no_matrix(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    agnostic = changed(config, evaluation={"class_incremental": True})
    run = train(agnostic, tmp_path / "run", tasks(data, 2), matrix="none")
    assert [set(after(run, "two").class_incremental), run.after("one")] == [set(NAMES[:2]), None]


def test_a_finished_run_is_asked_for_more_by_its_own_command(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    first = train(config, tmp_path / "run", tasks(data, 2), matrix="last")
    agnostic = changed(config, evaluation={"class_incremental": True})
    found = after(train(agnostic, first.folder, tasks(data, 2), matrix="last"), "two")
    whole = train(agnostic, tmp_path / "whole", tasks(data, 2), matrix="last")
    assert found == after(whole, "two")
    assert set(found.class_incremental) == set(NAMES[:2])


def test_tasks_that_were_learned_at_once_are_tested_without_being_told_the_task(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    agnostic = changed(config, evaluation={"class_incremental": True}, method={"jointly": True})
    run = train(agnostic, tmp_path / "run", tasks(data, 2), matrix="last")
    assert set(after(run, "two").class_incremental) == set(NAMES[:2])
    assert after(run, "two").shipped_unchanged == {"one": True, "two": True}


def test_test_items_that_do_not_fit_into_memory_are_read_again(
    tmp_path: Path, config: RunConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config, tmp_path / "whole", tasks(data, 2))
    monkeypatch.setattr("edgecl.training.revisit.KEPT_BYTES", 0)
    assert after(train(config, tmp_path / "run", tasks(data, 2)), "two") == after(whole, "two")


def test_what_is_tested_again_is_told(tmp_path: Path, config: RunConfig, data: Path) -> None:
    report = Recorder()
    train(config, tmp_path / "run", tasks(data, 2), matrix="last", report=report)
    assert report.tested == [("two", 0, 2), ("two", 1, 2), ("two", 2, 2)]


def test_the_task_of_a_lonely_task_is_always_found(tmp_path: Path, config: RunConfig, data: Path) -> None:
    agnostic = changed(config, evaluation={"class_incremental": True})
    found = after(train(agnostic, tmp_path / "run", tasks(data, 1), matrix="last"), "one")
    assert found.class_incremental == {"one": found.now["one"].accuracy}


def test_where_all_tasks_have_the_same_classes_the_class_alone_counts_too(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    agnostic = changed(config, evaluation={"class_incremental": True})
    found = after(train(agnostic, tmp_path / "run", tasks(data), matrix="last"), "three")
    assert all(found.domain_incremental[name] >= found.class_incremental[name] for name in NAMES)
    assert sum(found.domain_incremental.values()) > sum(found.class_incremental.values())


def test_tasks_of_other_classes_are_no_domains_of_one_problem(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    agnostic = changed(config, evaluation={"class_incremental": True})
    other = {"one": data, "two": make_image_data(tmp_path / "other.npz", classes=2)}
    assert after(train(agnostic, tmp_path / "run", other, matrix="last"), "two").domain_incremental == {}


def test_without_being_asked_nothing_is_predicted_without_the_task(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    assert after(train(config, tmp_path / "run", tasks(data, 1)), "one").class_incremental == {}


def test_a_stored_task_that_predicts_something_else_is_found_out(
    tmp_path: Path, config: RunConfig, data: Path
) -> None:
    run = train(config, tmp_path / "run", tasks(data, 1))
    other = replace(run.tensors("one"), head_bias=-1000 * np.arange(3, dtype=np.float32)[::-1].copy())
    run.save_task(run.task("one"), Learned(other, peer={}, state={}), run.heldout("one"))
    again = train(config, tmp_path / "run", tasks(data, 2))
    assert after(again, "two").shipped_unchanged == {"one": False, "two": True}
