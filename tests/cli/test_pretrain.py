from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgecl.cli.pretrain import PretrainingConsole
from tests.cli.conftest import Call, assert_refused
from tests.edgecl.factories import make_image_folder
from tests.edgecl.pretraining.factories import TINY, make_folder, make_shards

QUICK = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text("", encoding="utf-8")
    return path


def test_a_backbone_is_trained_and_then_trained_on(call: Call, recipe: Path, tmp_path: Path) -> None:
    data, out = make_folder(tmp_path / "photos"), tmp_path / "mine"
    called = call("pretrain", recipe, "--data", data, "--out", out, *QUICK)
    assert called.code == 0, called.err
    assert called.out.splitlines()[0] == str(out)
    assert "top-1" in called.out
    assert "in 5 steps" in called.out
    assert "%: step 4, loss " in called.err
    quick = ("--set", "training.epochs=1", "--set", "training.min_steps=1")
    trained = call("train", "--backbone", out, "--task", f"a={data}", "--out", tmp_path / "run", *quick)
    assert trained.code == 0, trained.err


def test_the_result_is_one_object(call: Call, recipe: Path, tmp_path: Path) -> None:
    called = call(
        "pretrain",
        recipe,
        "--data",
        make_shards(tmp_path / "data"),
        "--out",
        tmp_path / "out",
        "--json",
        *QUICK,
    )
    assert called.json["backbone"] == str(tmp_path / "out")
    assert (called.json["steps"], called.json["classes"]) == (6, 3)


def test_a_shipped_recipe_learns_from_the_teacher_that_is_named(call: Call, tmp_path: Path) -> None:
    teacher = make_image_folder(tmp_path / "vit")
    words = ("--data", make_shards(tmp_path / "data"), "--out", tmp_path / "out", "--teacher", teacher)
    called = call("pretrain", "vit-64-cpu", *words, "--json", *QUICK, "--set", "teacher.image_size=16")
    assert called.json["settings"]["config"]["teacher"] == {"source": str(teacher), "image_size": 16}
    assert len(list((tmp_path / "out" / "training").glob("teacher-*"))) == 1


def test_what_comes_before_training_is_told_of_too(call: Call, tmp_path: Path) -> None:
    words = ("--data", make_shards(tmp_path / "data"), "--out", tmp_path / "out")
    teacher = ("--teacher", make_image_folder(tmp_path / "vit"), "--set", "teacher.image_size=16")
    called = call("pretrain", "vit-64-cpu", *words, *teacher, *QUICK)
    lines = called.err.splitlines()
    assert re.fullmatch(r"read \d+ images", lines[0])
    assert re.fullmatch(r"teacher: (\d+) of \1 images", lines[1])


def test_a_training_that_was_finished_before_says_so(call: Call, recipe: Path, tmp_path: Path) -> None:
    words = ("pretrain", recipe, "--data", make_shards(tmp_path / "data"), "--out", tmp_path / "out", *QUICK)
    first, second = call(*words), call(*words)
    assert second.err.splitlines() == [
        "this training was finished before, and nothing was done; train anew with another --out"
    ]
    assert second.out == first.out


def test_the_teacher_is_told_of_once_per_percent(capsys: pytest.CaptureFixture[str]) -> None:
    with PretrainingConsole() as console:
        for done in (500, 1000, 1500, 100_000):
            console.teaching(done, 100_000)
    assert capsys.readouterr().err.splitlines() == [
        "teacher: 1000 of 100000 images",
        "teacher: 100000 of 100000 images",
    ]


def test_logs_for_tensorboard_are_written_where_asked_for(call: Call, recipe: Path, tmp_path: Path) -> None:
    words = ("--data", make_shards(tmp_path / "data"), "--out", tmp_path / "out", "--tensorboard")
    assert call("pretrain", recipe, *words, *QUICK).code == 0
    assert len(list((tmp_path / "out" / "training" / "logs").glob("events.out.tfevents.*"))) == 1


def test_a_recipe_without_its_teacher_is_refused(call: Call, tmp_path: Path) -> None:
    called = call("pretrain", "vit-64-gpu", "--data", tmp_path, "--out", tmp_path / "out")
    assert_refused(called, 2, "name one with --teacher")


def test_data_that_are_not_there_are_refused(call: Call, recipe: Path, tmp_path: Path) -> None:
    called = call("pretrain", recipe, "--data", tmp_path / "nothing", "--out", tmp_path / "out", *QUICK)
    assert_refused(called, 2, "nothing: cannot be read (No such file or directory)")


def test_a_teacher_that_is_not_there_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "vit").mkdir()
    words = (
        "--data",
        make_shards(tmp_path / "data"),
        "--out",
        tmp_path / "out",
        "--teacher",
        tmp_path / "vit",
    )
    assert_refused(call("pretrain", "vit-64-cpu", *words, *QUICK), 1, "vit: cannot be read as a transformers")


def test_other_settings_than_it_was_begun_with_are_refused(call: Call, recipe: Path, tmp_path: Path) -> None:
    words = ("pretrain", recipe, "--data", make_shards(tmp_path / "data"), "--out", tmp_path / "out", *QUICK)
    assert call(*words).code == 0
    assert_refused(call(*words, "--set", "seed=1"), 1, "seed was 0, is 1")
