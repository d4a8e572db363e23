from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from edgecl.arms import arm_names, arm_summary, read_arm
from edgecl.config import RunConfig, known_keys, read_config, refuse_meaningless, resolve
from edgecl.errors import ConfigError
from edgecl.methods import METHODS
from edgecl.training.run import Run
from edgecl.training.train import train_stream
from tests.edgecl.factories import Recorder, make_image_data, make_image_folder, make_spec

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SUMMARY = 105
TINY = {
    "training.epochs": 1,
    "training.min_steps": 0,
    "training.batch_size": 16,
    "training.device": "cpu",
    "training.heldout_items": 4,
    "evaluation.floors": False,
}

every_arm = pytest.mark.parametrize("name", arm_names())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny backbone and the data of two tasks."""
    folder = tmp_path_factory.mktemp("arms")
    make_image_folder(folder / "vit")
    make_image_data(folder / "first.npz")
    make_image_data(folder / "second.npz", classes=2, seed=1)
    return folder


def settings(name: str) -> RunConfig:
    return read_config(None, overrides={}, arm=name)


def train(name: str, folder: Path, run: Path) -> Run:
    """Train two tiny tasks with an arm, its own sizes kept."""
    config = read_config(None, overrides={**TINY, "backbone.source": str(folder / "vit")}, arm=name)
    tasks = [make_spec(folder / f"{task}.npz", name=task) for task in ("first", "second")]
    return train_stream(config, tasks, run, report=Recorder())


def keys(name: str) -> set[str]:
    """Return the keys that an arm sets, dotted."""
    return {f"{table}.{key}" for table, values in tomllib.loads(read_arm(name)).items() for key in values}


@every_arm
def test_an_arm_trains_two_tasks_to_the_end(name: str, folder: Path, tmp_path: Path) -> None:
    run = train(name, folder, tmp_path / "run")
    assert run.names == ("first", "second")
    trained, told = (
        msgspec.to_builtins(each) for each in (run.record.config, resolve(settings(name), "image"))
    )
    for table in ("method", "generator", "transfer", "training", "evaluation"):
        for key, value in told[table].items():
            assert f"{table}.{key}" in TINY or trained[table][key] == value


@every_arm
def test_every_key_of_an_arm_exists(name: str) -> None:
    assert keys(name) <= set(known_keys())
    assert "method.name" in keys(name)


@every_arm
def test_an_arm_is_of_a_method_that_there_is(name: str) -> None:
    assert settings(name).method.name in METHODS


@every_arm
def test_every_setting_of_an_arm_is_heard(name: str) -> None:
    refuse_meaningless(settings(name))


def test_the_gated_arm_is_what_is_trained_where_none_is_named() -> None:
    assert resolve(settings("gated"), "image") == resolve(RunConfig(), "image")


@pytest.mark.parametrize("name", ["adapter", "adaprefix", "prefix", "linear-head"])
def test_a_reference_learns_each_task_for_itself(name: str) -> None:
    assert resolve(settings(name), "image").transfer.start == "identity"


@every_arm
def test_an_arm_begins_with_a_sentence_that_says_what_it_is(name: str) -> None:
    assert read_arm(name).startswith("# ")
    assert arm_summary(name).endswith(".")
    assert len(arm_summary(name)) <= LONGEST_SUMMARY


def test_no_two_arms_have_the_same_settings() -> None:
    found = [settings(name) for name in arm_names()]
    assert all(found.count(each) == 1 for each in found)


def test_every_method_has_an_arm() -> None:
    assert {settings(name).method.name for name in arm_names()} == set(METHODS)


@every_arm
def test_an_arm_chooses_neither_seed_nor_backbone_nor_machine(name: str) -> None:
    chosen = {"seed", "training.device", "training.precision"}
    assert not chosen & keys(name)
    assert not any(key.startswith("backbone.") for key in keys(name))


@pytest.mark.parametrize("name", ["adaprefix--", "", "../config", "adaprefix.toml"])
def test_an_unknown_arm_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--method: found .*, expected one of adaprefix, adaprefix\+\+"):
        read_arm(name)


def test_settings_of_a_file_come_before_those_of_the_arm(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[method]\nrank = 3\n", encoding="utf-8")
    found = read_config(tmp_path / "recipe.toml", overrides={}, arm="lora")
    assert (found.method.name, found.method.rank) == ("lora", 3)


@every_arm
def test_the_page_of_methods_describes_every_arm(name: str) -> None:
    assert f"\n| `{name}` |" in (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", known_keys())
def test_the_page_of_settings_describes_every_key(key: str) -> None:
    assert f"\n| `{key}` |" in (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
