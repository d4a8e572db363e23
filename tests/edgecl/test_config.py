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
    refuse_meaningless,
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
def test_an_unknown_key_of_a_file_is_named_with_the_nearest_one(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(
        ConfigError,
        match=r"recipe.toml, (training.epoch|model.rank|sed): no such key. "
        r"Did you mean (training.epochs|method.rank|seed)\? docs/training.md lists all keys$",
    ):
        read_config(path, overrides={})


@pytest.mark.parametrize("text", ["[model]\n", "[training]\nx = 1\n"])
def test_an_unknown_key_that_is_like_no_other_leads_to_the_page_alone(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"no such key. docs/training.md lists all keys$"):
        read_config(write(tmp_path, text), overrides={})


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("training.epoch", "training.epochs"),
        ("epochs", "training.epochs"),
        ("training.rank", "method.rank"),
        ("image-size", "backbone.image_size"),
        ("backbone.source.x", "backbone.source"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest_one(key: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"--set {key}: no such key. Did you mean {nearest}") as caught:
        read_config(None, overrides={key: "1"})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("key", ["lr", "training", ""])
def test_an_unknown_option_that_is_like_no_other_leads_to_the_page_alone(key: str) -> None:
    with pytest.raises(ConfigError, match=f"--set {key}: no such key. docs/training.md lists all keys"):
        read_config(None, overrides={key: "1"})


def test_a_wrong_value_is_not_answered_with_all_keys() -> None:
    with pytest.raises(ConfigError, match=r"^options: Expected `int`, got `str` - at `training\.epochs`$"):
        read(training__epochs="many")


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
    with pytest.raises(ConfigError, match=rf"at `{key}`"):
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
    with pytest.raises(ConfigError, match=rf"options: Expected .* {expected}.* at `{key}`"):
        read_config(None, overrides={key: value})


@pytest.mark.parametrize("key", ["training.clip_norm", "generator.drift_weight", "transfer.margin"])
def test_a_value_without_bound_names_its_key(tmp_path: Path, key: str) -> None:
    table, name = key.split(".")
    with pytest.raises(ConfigError, match=rf"recipe.toml: Expected a finite number, got inf - at `{key}`"):
        read_config(write(tmp_path, f"[{table}]\n{name} = inf\n"), overrides={})


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"method.jointly": True, "method.alone": True}, ("method.alone", "method.jointly")),
        ({"training.patience": 3}, ("training.patience", "training.validation_fraction")),
        (
            {"method.name": "lora", "evaluation.class_incremental": True},
            ("evaluation.class_incremental", "method.name=lora"),
        ),
        ({"backbone.max_tokens": 32}, ("backbone.max_tokens", "backbone.image_size")),
    ],
)
def test_settings_that_cannot_both_be_meant_are_refused(
    overrides: dict[str, object], named: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve(read_config(None, overrides=overrides), "image")
    assert all(key in str(refused.value) for key in named)


def test_pixels_of_a_text_backbone_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"backbone\.image_size: found 64, but .* reads texts"):
        resolve(read(backbone__image_size=64), "text")


@pytest.mark.parametrize(("key", "modality"), [("image_size", "image"), ("max_tokens", "text")])
def test_the_size_of_what_the_backbone_reads_is_kept(key: str, modality: Any) -> None:
    assert getattr(resolve(read(**{f"backbone__{key}": 64}), modality).backbone, key) == 64


@pytest.mark.parametrize(
    ("key", "value", "beside"),
    [
        ("generator.drift", "sq", {"generator.drift_weight": 0}),
        ("generator.drift_targets", "regenerated", {"generator.drift_weight": 0}),
        ("generator.drift_tasks", 4, {"generator.drift_weight": 0}),
        ("generator.lookahead", False, {"generator.drift_weight": 0}),
        ("generator.interval_drift", "bounds", {"generator.drift_weight": 0}),
        ("method.attention", "additive", {"method.prefix_length": 0}),
        ("method.first_prefix", "fixed", {"method.prefix_length": 0}),
        ("method.attention", "additive", {"method.name": "lora"}),
        ("method.first_prefix", "trained", {"method.name": "lora"}),
        ("transfer.start", "gated", {"method.rank": 0, "method.prefix_length": 0}),
        ("transfer.start", "average", {"method.rank": 0, "method.prefix_length": 0}),
    ],
)
def test_a_setting_that_would_be_passed_over_is_refused_with_the_other_one(
    key: str, value: object, beside: dict[str, object]
) -> None:
    said = " and ".join(f"{other}={found}" for other, found in beside.items())
    with pytest.raises(ConfigError, match=f"{key}: found {value!r} beside {said}, expected"):
        refuse_meaningless(read_config(None, overrides={key: value, **beside}))


@pytest.mark.parametrize(("key", "value"), [("drift_weight", 5.0), ("drift_tasks", 3), ("lookahead", False)])
def test_a_network_that_only_grows_has_no_drift_to_set(key: str, value: object) -> None:
    grows = {"generator.architecture": "recurrent", "generator.recurrent_mode": "grow"}
    with pytest.raises(
        ConfigError, match=f"generator.{key}: found {value!r} beside generator.recurrent_mode=grow"
    ):
        refuse_meaningless(read_config(None, overrides={f"generator.{key}": value, **grows}))


@pytest.mark.parametrize(
    "overrides",
    [
        {"generator.drift_weight": 0, "generator.drift": "ms"},
        {"method.prefix_length": 0, "method.attention": "concat"},
        {"method.rank": 0, "method.first_prefix": "trained"},
        {"method.rank": 0, "method.prefix_length": 0, "transfer.start": "identity"},
        {"method.rank": 0, "method.prefix_length": 0, "transfer.start": "gated", "method.alone": True},
        {"method.prefix_length": 0, "transfer.start": "average"},
    ],
)
def test_a_setting_that_is_heard_or_at_its_default_is_taken(overrides: dict[str, object]) -> None:
    refuse_meaningless(read_config(None, overrides=overrides))


def test_a_value_out_of_range_in_a_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe.toml: .* at `training\.epochs`"):
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


@pytest.mark.parametrize(("modality", "length", "decay"), [("image", 10, 0.0), ("text", 4, 3.0)])
def test_what_depends_on_the_modality_is_filled_in(modality: Any, length: int, decay: float) -> None:
    filled = resolve(RunConfig(), modality)
    assert (filled.method.prefix_length, filled.training.weight_decay) == (length, decay)


def test_what_was_said_stays() -> None:
    said = RunConfig(
        method=MethodConfig(prefix_length=0, first_prefix="trained"),
        training=TrainingConfig(learning_rate=0.1, weight_decay=0.0),
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
        (MethodConfig(rank=0, prefix_length=0), "identity"),
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
