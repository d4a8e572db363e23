from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecl.config import (
    TABLES,
    BackboneConfig,
    EvaluationConfig,
    GeneratorConfig,
    MethodConfig,
    RunConfig,
    TrainingConfig,
    TransferConfig,
    known_keys,
    read_config,
    resolve,
)
from edgecl.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(**overrides: Any) -> RunConfig:
    return read_config(None, overrides={key.replace("__", "."): value for key, value in overrides.items()})


def test_nothing_said_gives_the_defaults() -> None:
    assert read() == RunConfig()


def test_the_defaults_are_the_recipe() -> None:
    config = RunConfig()
    assert config.backbone.source == "edgecl/vit-64"
    assert (config.method.name, config.method.rank, config.method.prefix_length) == ("adaprefix", 16, None)
    assert (config.training.epochs, config.training.batch_size, config.training.min_steps) == (5, 32, 60)


def test_a_file_sets_single_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "seed = 3\n[method]\nrank = 4\n[training]\nlearning_rate = 1e-3\n")
    expected = RunConfig(seed=3, method=MethodConfig(rank=4), training=TrainingConfig(learning_rate=1e-3))
    assert read_config(path, overrides={}) == expected


def test_an_option_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[training]\nepochs = 7\nbatch_size = 8\n")
    training = read_config(path, overrides={"training.epochs": 2}).training
    assert (training.epochs, training.batch_size) == (2, 8)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("training__epochs", "3", 3),
        ("training__learning_rate", "5e-4", 5e-4),
        ("training__precision", "bf16", "bf16"),
        ("backbone__pooling", "mean", "mean"),
        ("method__prefix_length", "0", 0),
    ],
)
def test_text_becomes_the_type_of_its_key(key: str, text: str, value: object) -> None:
    table, name = key.split("__")
    assert getattr(getattr(read(**{key: text}), table), name) == value


@pytest.mark.parametrize("text", ["[training]\nepoch = 1\n", "[model]\nrank = 1\n", "sed = 1\n"])
def test_an_unknown_key_of_a_file_is_named_with_those_there_are(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(
        ConfigError, match=r"recipe.toml: .*unknown field `(epoch|model|sed)`.*training.epochs"
    ):
        read_config(path, overrides={})


@pytest.mark.parametrize("key", ["training.epoch", "epochs", "training", "backbone.source.x", ""])
def test_an_unknown_option_is_named_with_those_there_are(key: str) -> None:
    with pytest.raises(
        ConfigError, match=f"--set {key}: no such key. Known keys: seed, backbone.source"
    ) as caught:
        read_config(None, overrides={key: "1"})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.epochs", "many"),
        ("training.epochs", 1.5),
        ("training.precision", "fp64"),
        ("backbone.pooling", "max"),
        ("backbone.image_size", "large"),
        ("method.name", 3),
        ("method.alone", "perhaps"),
        ("generator.drift", "l2"),
        ("transfer.start", "random"),
        ("evaluation.matrix", "some"),
    ],
)
def test_a_value_of_the_wrong_type_names_its_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"at `\$\.{key}`"):
        read_config(None, overrides={key: value})


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("training.epochs", 0, ">= 1"),
        ("training.batch_size", "0", ">= 1"),
        ("training.heldout_items", 0, ">= 1"),
        ("backbone.image_size", 0, ">= 1"),
        ("backbone.max_tokens", 0, ">= 1"),
        ("seed", -1, ">= 0"),
        ("method.rank", -1, ">= 0"),
        ("method.prefix_length", -1, ">= 0"),
        ("training.min_steps", -1, ">= 0"),
        ("training.weight_decay", -0.1, ">= 0"),
        ("training.learning_rate", 0, "> 0"),
        ("training.learning_rate", float("nan"), "> 0"),
        ("training.head_learning_rate", 0, "> 0"),
        ("training.clip_norm", 0, "> 0"),
        ("training.warmup_fraction", 1.1, "<= 1"),
        ("training.final_fraction", -0.1, ">= 0"),
        ("training.validation_fraction", 1.0, "< 1"),
        ("training.patience", 0, ">= 1"),
        ("generator.drift_weight", -1, ">= 0"),
        ("generator.drift_tasks", 0, ">= 1"),
        ("transfer.margin", -1, ">= 0"),
        ("transfer.candidates", 0, ">= 1"),
        ("transfer.learning_rate_factor", 0, "> 0"),
    ],
)
def test_a_value_out_of_range_names_its_key(key: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"options: Expected .* {expected}.* at `\$\.{key}`"):
        read_config(None, overrides={key: value})


@pytest.mark.parametrize("key", ["training.clip_norm", "generator.drift_weight", "transfer.margin"])
def test_a_value_without_bound_names_its_key(tmp_path: Path, key: str) -> None:
    table, name = key.split(".")
    with pytest.raises(
        ConfigError, match=rf"recipe.toml: Expected a finite number, got inf - at `\$\.{key}`"
    ):
        read_config(write(tmp_path, f"[{table}]\n{name} = inf\n"), overrides={})


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"method.jointly": True, "method.alone": True}, ("method.alone", "method.jointly")),
        ({"training.patience": 3}, ("training.patience", "training.validation_fraction")),
    ],
)
def test_settings_that_cannot_both_be_meant_are_refused(
    overrides: dict[str, object], named: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve(read_config(None, overrides=overrides), "image")
    assert all(key in str(refused.value) for key in named)


def test_a_value_out_of_range_in_a_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe.toml: .* at `\$\.training\.epochs`"):
        read_config(write(tmp_path, "[training]\nepochs = 0\n"), overrides={})


@pytest.mark.parametrize("text", ["seed = ", "a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="recipe.toml: not valid TOML"):
        read_config(write(tmp_path, text), overrides={})


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="recipe.toml: not valid TOML"):
        read_config(tmp_path / "recipe.toml", overrides={})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml: cannot be read"):
        read_config(tmp_path / "none.toml", overrides={})


@pytest.mark.parametrize("overrides", [{}, {"training.epochs": 1}])
def test_a_value_in_the_place_of_a_table_is_refused(tmp_path: Path, overrides: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="training"):
        read_config(write(tmp_path, "training = 3\n"), overrides=overrides)


@pytest.mark.parametrize(("modality", "length"), [("image", 10), ("text", 4)])
def test_what_depends_on_the_modality_is_filled_in(modality: Any, length: int) -> None:
    assert resolve(RunConfig(), modality).method.prefix_length == length


def test_what_was_said_stays() -> None:
    said = RunConfig(
        method=MethodConfig(prefix_length=0, first_prefix="trained"),
        training=TrainingConfig(learning_rate=0.1),
        transfer=TransferConfig(start="average", least_gain=0.5),
    )
    assert resolve(said, "text") == said


@pytest.mark.parametrize(("rank", "first_prefix"), [(16, "fixed"), (0, "trained")])
def test_the_first_prefix_is_trained_where_no_adapter_stands_beside_it(rank: int, first_prefix: str) -> None:
    assert resolve(RunConfig(method=MethodConfig(rank=rank)), "image").method.first_prefix == first_prefix


@pytest.mark.parametrize(
    ("method", "start"),
    [
        (MethodConfig(), "gated"),
        (MethodConfig(alone=True), "identity"),
        (MethodConfig(jointly=True), "identity"),
        (MethodConfig(name="adaprefix++"), "identity"),
        (MethodConfig(name="lora"), "identity"),
    ],
)
def test_adaprefix_asks_where_to_start_and_what_has_no_earlier_task_does_not(
    method: MethodConfig, start: str
) -> None:
    assert resolve(RunConfig(method=method), "image").transfer.start == start


def test_known_keys_are_all_there_are() -> None:
    assert {key.split(".")[0] for key in known_keys()} == set(RunConfig.__struct_fields__)
    for table, kind in {
        "backbone": BackboneConfig,
        "method": MethodConfig,
        "generator": GeneratorConfig,
        "transfer": TransferConfig,
        "training": TrainingConfig,
        "evaluation": EvaluationConfig,
    }.items():
        assert {f"{table}.{name}" for name in kind.__struct_fields__} <= set(known_keys())


def test_a_configuration_survives_json() -> None:
    config = resolve(RunConfig(seed=2), "image")
    assert msgspec.json.decode(msgspec.json.encode(config), type=RunConfig) == config


def test_a_file_and_options_change_single_keys_of_an_arm(tmp_path: Path) -> None:
    path = write(tmp_path, "[method]\nrank = 4\n")
    method = read_config(path, overrides={"method.prefix_length": 7}, arm="sequential").method
    assert method == MethodConfig(name="shared", rank=4, prefix_length=7)


def test_the_tables_of_a_configuration_are_all_but_the_seed() -> None:
    assert set(TABLES) == set(RunConfig.__struct_fields__) - {"seed"}
