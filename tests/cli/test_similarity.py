from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecl.cli.similarity import METHODS
from edgecl.similarity import METHODS as KNOWN
from edgecl.similarity import leep
from edgecl.streams import TaskSpec, check_items, load_task
from edgecl.training.features import features
from edgecl.training.run import Run
from tests.cli.conftest import Call
from tests.edgecl.factories import make_image_data, make_text_data
from tests.exported import Field, digests

SOURCES = [None, "shades", "hues", "tones"]


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a task that no run has seen, 40 training items of 2 classes."""
    return make_image_data(tmp_path_factory.mktemp("new") / "new.npz", items=50, classes=2, seed=9)


def make_parted(path: Path, train_labels: list[int]) -> Path:
    """Write images with a test part of its own, so that each training item is known."""
    random = np.random.default_rng(0)
    train, test = np.array(train_labels), np.unique(train_labels)
    images = random.integers(0, 255, (len(train) + len(test), 8, 8, 3)).astype(np.uint8)
    np.savez(
        path,
        train_images=images[: len(train)],
        train_labels=train,
        test_images=images[len(train) :],
        test_labels=test,
    )
    return path


def test_the_bare_backbone_and_every_task_are_sources(image_field: Field, new: Path, call: Call) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--json")
    assert called.code == 0
    assert [source["source"] for source in called.json["sources"]] == SOURCES
    assert called.json["run"] == str(image_field.run.folder)
    assert (called.json["task"], called.json["method"], called.json["items"]) == ("new", "h_lwc", 40)
    assert called.json["reliable"] is (called.json["doubts"] == [])
    assert called.json["spread"] > 0.0
    assert called.json["spread_error"] > 0.0


def test_the_ranking_is_judged_over_the_tasks_alone(image_field: Field, new: Path, call: Call) -> None:
    result = call("similarity", image_field.run.folder, "--task", f"new={new}", "--json").json
    bare, *tasks = result["sources"]
    assert result["spread"] == pytest.approx(np.std([task["value"] for task in tasks], ddof=1))
    assert list(bare) == list(tasks[0])
    assert bare["standard_error"] > 0.0


def with_one_task(field: Field, folder: Path) -> Path:
    """Return a copy of a run that has finished its first task only."""
    run = field.copy_run(folder)
    for name in field.tasks[1:]:
        (run.task_folder(name) / "task.json").unlink()
    return run.folder


@pytest.mark.parametrize("method", ["h_lwc", "leep"])
def test_one_task_alone_is_no_ranking(
    method: str, image_field: Field, new: Path, tmp_path: Path, call: Call
) -> None:
    options = (with_one_task(image_field, tmp_path), "--task", f"new={new}", "--method", method)
    shown, printed = call("similarity", *options), call("similarity", *options, "--json")
    assert shown.out.splitlines()[-1] == "no ranking: one task alone has no rank"
    assert [source["source"] for source in printed.json["sources"]] == SOURCES[:2]
    assert (printed.json["reliable"], printed.json["kendall_tau"]) == (None, None)
    assert printed.json["doubts"] == ["one source alone has no rank"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step of a long work be a line."""
    monkeypatch.setattr("edgecl.cli.output.SECONDS_OF_SILENCE", 0.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("method", "sources"), [("h_lwc", 4), ("leep", 3)])
def test_it_says_how_many_tasks_have_seen_the_items(
    method: str, sources: int, image_field: Field, new: Path, call: Call
) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--method", method)
    told = [line for line in called.err.splitlines() if "features under each task" in line]
    assert told == [f"new: features under each task, {done} of {sources}" for done in range(sources)]


def test_a_source_says_all_there_is_to_know_about_its_number(
    image_field: Field, new: Path, call: Call
) -> None:
    source = call("similarity", image_field.run.folder, "--task", f"new={new}", "--json").json["sources"][1]
    assert list(source) == [
        "source",
        "value",
        "standard_error",
        "h_loo",
        "chance",
        "alpha",
        "n",
        "rank",
        "classes",
    ]
    assert 0.0 < source["value"] <= 1.0
    assert (source["chance"], source["n"], source["classes"]) == (0.0, 40, 2)


def test_features_of_a_task_differ_from_those_of_the_bare_backbone(
    image_field: Field, new: Path, call: Call
) -> None:
    sources = call("similarity", image_field.run.folder, "--task", f"new={new}", "--json").json["sources"]
    assert len({source["value"] for source in sources}) == 4


def test_the_result_is_a_table_with_a_verdict(image_field: Field, new: Path, call: Call) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}")
    title, columns, *rows = called.out.splitlines()
    assert title == "new: 40 training items"
    assert columns.split() == ["source", "h_lwc", "s.e.", "h_loo"]
    assert [row[:8].strip() for row in rows[:4]] == ["no task", "shades", "hues", "tones"]
    assert rows[-1].startswith(("reliable: ", "not reliable: "))


def test_progress_is_on_standard_error(image_field: Field, new: Path, call: Call) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--json")
    assert [line.split(":")[0] for line in called.err.splitlines()] == ["no task", "shades", "hues", "tones"]


def test_nothing_is_written_and_the_answer_is_always_the_same(
    image_field: Field, new: Path, call: Call
) -> None:
    before = digests(image_field.run.folder)
    command = ("similarity", image_field.run.folder, "--task", f"new={new}", "--json")
    assert call(*command).out == call(*command).out
    assert digests(image_field.run.folder) == before


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_asked_for(method: str, image_field: Field, new: Path, call: Call) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--method", method, "--json")
    assert (called.code, called.json["method"]) == (0, method)


def test_evidence_has_the_fields_of_every_score_of_features(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    data = make_image_data(tmp_path / "many.npz", items=150, classes=2, seed=9)
    called = call(
        "similarity", image_field.run.folder, "--task", f"many={data}", "--method", "logme", "--json"
    )
    sources = called.json["sources"]
    assert list(sources[0])[:4] == ["source", "value", "standard_error", "h_lwc"]
    assert all(source["value"] > source["chance"] for source in sources)
    assert isinstance(called.json["kendall_tau"], float)


def test_evidence_without_bound_is_no_number(image_field: Field, new: Path, call: Call) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--method", "logme")
    assert called.out.strip().startswith("no number: 40 samples of 64 features fit a class without noise")


def test_what_the_heads_of_tasks_say_is_scored_with_their_own_classes(
    image_field: Field, new: Path, call: Call
) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--method", "leep", "--json")
    bare, *tasks = called.json["sources"]
    assert bare == {
        "source": None,
        "value": None,
        "reason": "the bare backbone has no head that could say anything",
    }
    assert [source["source"] for source in tasks] == SOURCES[1:]
    assert all(-np.log(2) <= source["chance"] < source["value"] <= 0.0 for source in tasks)
    assert [(source["n"], source["classes"]) for source in tasks] == [(40, 2)] * 3


def test_leep_is_that_of_the_probabilities_which_the_stored_head_gives(
    image_field: Field, new: Path, call: Call
) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--method", "leep", "--json")
    backbone, task = image_field.load(), image_field.run.tensors("hues")
    data = load_task(TaskSpec(name="new", data=new), seed=0)
    items = check_items(data, backbone.preprocessor, progress=lambda *_: None).train
    found = features(backbone.module, items, preprocessor=backbone.preprocessor, task=task)
    scores = found @ task.head_weight.T + task.head_bias
    probabilities = torch.from_numpy(scores).double().softmax(dim=1).numpy()
    said = {source["source"]: source["value"] for source in called.json["sources"]}
    assert said["hues"] == pytest.approx(leep(probabilities, data.train.targets), abs=1e-6)


def test_leep_has_nothing_that_only_features_have_and_no_verdict(
    image_field: Field, new: Path, call: Call
) -> None:
    result = call(
        "similarity", image_field.run.folder, "--task", f"new={new}", "--method", "leep", "--json"
    ).json
    assert list(result["sources"][1]) == [
        "source",
        "value",
        "standard_error",
        "chance",
        "alpha",
        "n",
        "rank",
        "classes",
    ]
    assert (result["sources"][1]["alpha"], result["sources"][1]["rank"]) == (None, None)
    assert (result["reliable"], result["kendall_tau"]) == (None, None)
    assert "leep has no second score that could confirm the ranking" in result["doubts"]


def test_the_table_of_leep_has_the_chance_level_and_says_that_the_ranking_is_not_judged(
    image_field: Field, new: Path, call: Call
) -> None:
    called = call("similarity", image_field.run.folder, "--task", f"new={new}", "--method", "leep")
    _, columns, *rows = called.out.splitlines()
    assert columns.split() == ["source", "leep", "s.e.", "chance"]
    assert [row.split()[0] for row in rows[:3]] == ["shades", "hues", "tones"]
    assert "no number for no task: the bare backbone has no head that could say anything" in rows
    assert rows[-1].startswith("no verdict on the ranking: ")
    assert [line.split(":")[0] for line in called.err.splitlines()] == ["no task", "shades", "hues", "tones"]


def test_too_few_items_have_no_leep_either(image_field: Field, tmp_path: Path, call: Call) -> None:
    task = f"few={make_parted(tmp_path / 'few.npz', [0, 0, 1, 2, 3])}"
    shown = call("similarity", image_field.run.folder, "--task", task, "--method", "leep")
    assert shown.code == 0
    assert shown.out.strip().startswith("no number: 5 samples of 4 classes say nothing about transfer")


def test_the_methods_are_those_of_the_library() -> None:
    assert METHODS == KNOWN


def test_texts_are_compared_too(text_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_text_data(tmp_path / "new.jsonl", items=40)
    called = call("similarity", text_field.run.folder, "--task", f"new={data}", "--json")
    assert [source["source"] for source in called.json["sources"]] == [None, *text_field.tasks]


def test_too_few_items_give_a_reason_instead_of_a_number(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    task = f"few={make_parted(tmp_path / 'few.npz', [0, 0, 1, 2, 3])}"
    said = "5 samples of 4 classes say nothing about transfer"
    shown = call("similarity", image_field.run.folder, "--task", task)
    printed = call("similarity", image_field.run.folder, "--task", task, "--json")
    assert (shown.code, printed.code) == (0, 0)
    assert shown.out.strip().startswith(f"no number: {said}")
    assert printed.json["reliable"] is False
    assert [source["value"] for source in printed.json["sources"]] == [None] * 4
    assert all(said in source["reason"] for source in printed.json["sources"])


def test_classes_with_a_single_item_are_left_out_by_name(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    data = make_parted(tmp_path / "rare.npz", [3, 3, 3, 3, 5, 7, 7, 7, 7])
    shown = call("similarity", image_field.run.folder, "--task", f"rare={data}")
    printed = call("similarity", image_field.run.folder, "--task", f"rare={data}", "--json")
    assert "left out, a single item each: 5" in shown.out.splitlines()
    assert (printed.json["dropped"], printed.json["classes"], printed.json["items"]) == (["5"], 3, 9)
    assert [(source["n"], source["classes"]) for source in printed.json["sources"]] == [(8, 2)] * 4


def test_a_rare_class_of_several_items_is_not_left_out(
    image_field: Field, tmp_path: Path, call: Call
) -> None:
    data = make_parted(tmp_path / "rare.npz", [3] * 2000 + [5] * 2000 + [7] * 2)
    shown = call("similarity", image_field.run.folder, "--task", f"rare={data}")
    assert shown.out.startswith("rare: 1000 training items")
    assert "left out" not in shown.out


def test_an_error_that_is_not_known_is_null(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_image_data(tmp_path / "pairs.npz", items=6, classes=2)
    called = call("similarity", image_field.run.folder, "--task", f"pairs={data}", "--json")
    assert [source["standard_error"] for source in called.json["sources"]] == [None] * 4
    assert called.json["spread_error"] is None
    assert called.json["reliable"] is False


def test_an_error_that_is_not_known_is_said_in_words(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_image_data(tmp_path / "pairs.npz", items=6, classes=2)
    shown = call("similarity", image_field.run.folder, "--task", f"pairs={data}").out
    assert "± unknown" in shown
    assert "not reliable: too few items to say how much the sources would differ by chance" in shown
    assert "inf" not in shown


def test_a_run_without_a_task_has_nothing_to_compare_with(
    image_field: Field, new: Path, tmp_path: Path, call: Call
) -> None:
    run = image_field.copy_run(tmp_path)
    for record in Run.open(run.folder).tasks:
        (run.task_folder(record.name) / "task.json").unlink()
    called = call("similarity", run.folder, "--task", f"new={new}")
    assert (called.code, called.out) == (1, "")
    assert "no finished task to compare with" in called.err


def test_data_of_the_other_kind_are_refused(image_field: Field, tmp_path: Path, call: Call) -> None:
    data = make_text_data(tmp_path / "new.jsonl")
    called = call("similarity", image_field.run.folder, "--task", f"new={data}")
    assert called.code == 2
    assert "found texts, expected images" in called.err


@pytest.mark.parametrize(
    "options", [(), ("--task", "new"), ("--task", "new=data", "--method", "best"), ("--task", "new=nowhere")]
)
def test_wrong_usage_and_missing_data_end_with_2(
    options: tuple[str, ...], image_field: Field, call: Call
) -> None:
    called = call("similarity", image_field.run.folder, *options)
    assert (called.code, called.out) == (2, "")


def test_a_backbone_that_moved_can_be_named(
    image_field: Field, new: Path, tmp_path: Path, call: Call
) -> None:
    run = image_field.copy_run(tmp_path)
    path = run.folder / "run.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["config"]["backbone"]["source"] = str(tmp_path / "gone")
    path.write_text(json.dumps(content), encoding="utf-8")
    command = ("similarity", run.folder, "--task", f"new={new}", "--json")
    assert call(*command).code != 0
    assert call(*command, "--backbone", image_field.backbone).code == 0
