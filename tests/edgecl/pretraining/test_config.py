from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgecl.errors import ConfigError
from edgecl.pretraining.config import PretrainingConfig, config_names, read_pretraining_config
from edgecl.settings import build_settings, known_keys

FEATURES = {"teacher.source": "teacher"}


@pytest.mark.parametrize("name", config_names())
def test_settings_that_ship_can_be_read(name: str) -> None:
    config = read_pretraining_config(name, overrides=FEATURES)
    assert config.student.image_size == 64
    assert config.loss.needs_teacher


@pytest.mark.parametrize("name", config_names())
def test_settings_that_ship_say_what_is_missing_without_a_teacher(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"{name}: .*need a teacher: name one with --teacher, or set both to 0"
    ):
        read_pretraining_config(name, overrides={})


def test_a_file_changes_defaults_and_options_change_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("seed = 3\n[student]\nwidth = 64\nheads = 4\n[training]\nepochs = 7\n", encoding="utf-8")
    config = read_pretraining_config(
        str(path), overrides={"training.epochs": "9", "training.compile": "true"}
    )
    assert (config.seed, config.student.width, config.student.blocks) == (3, 64, 6)
    assert (config.training.epochs, config.training.compile) == (9.0, True)


def test_a_name_that_does_not_ship_is_answered_by_those_that_do() -> None:
    with pytest.raises(
        ConfigError, match="found 'vit', expected vit-64-cpu, vit-64-gpu, or a file ending in .toml"
    ):
        read_pretraining_config("vit", overrides={})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("student.patch_size", "7", "no multiple of patch_size 7"),
        ("student.heads", "5", "no multiple of heads"),
        ("student.width", "6", "no multiple of heads"),
        ("augmentation.mixup", "0.7", "more than 1 together"),
        ("augmentation.least_area", "0", "least_area"),
        ("loss.labels", "0", "all weights of the loss are 0"),
        ("loss.pooled", "1", "need a teacher"),
        ("training.average_decay", "1", "average_decay"),
        ("training.clip_norm", "inf", r"training\.clip_norm"),
        ("training.epochs", "inf", r"training\.epochs"),
        ("training.minutes", "inf", r"training\.minutes"),
        ("training.weight_decay", "inf", r"training\.weight_decay"),
        ("training.learning_rate", "nan", r"training\.learning_rate"),
        ("student.image_size", "8192", r"4096 - at `student\.image_size"),
        ("teacher.image_size", "8192", r"4096 - at `teacher\.image_size"),
        ("seed", str(2**64), "at `seed`"),
        ("teacher.source", "mine", "mine would not be heard: set loss.pooled or loss.tokens above 0"),
        ("training.epoch", "1", "--set training.epoch: no such key. Did you mean training.epochs"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, key: str, value: str, said: str) -> None:
    (tmp_path / "a.toml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_pretraining_config(str(tmp_path / "a.toml"), overrides={key: value})


def documented() -> dict[str, str]:
    """Return the default of every key as the table of the page says it."""
    page = (Path(__file__).parents[3] / "docs" / "pretraining.md").read_text(encoding="utf-8")
    _, _, table = page.partition("## Settings")
    return dict(re.findall(r"^\| `([^`]+)` \| `?([^|`]+)`? \|", table, re.MULTILINE))


def test_every_key_is_explained_in_the_docs() -> None:
    assert tuple(documented()) == known_keys(PretrainingConfig)


def test_the_docs_say_the_defaults() -> None:
    absent = {"none": None, "the checkpoint's": None}
    said = {key: absent.get(value, value) for key, value in documented().items()}
    assert build_settings(PretrainingConfig, {}, overrides=said, where="the page") == PretrainingConfig()
