"""Configuration of a run: one frozen struct per stage, its defaults the recipe that measured best."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edgecl.backbones.families import Modality, Pooling
from edgecl.errors import ConfigError

AtLeastOne = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]

LEARNING_RATE: dict[Modality, float] = {"image": 5e-3, "text": 2e-3}
PREFIX_LENGTH: dict[Modality, int] = {"image": 10, "text": 4}


class BackboneConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which backbone, and how it reads its inputs.

    Attributes:
        source: Embedded name, local folder or hub name.
        image_size: Side of the input in pixels; the checkpoint's own if absent.
        max_tokens: Longest text in tokens; at most 128 if absent.
        pooling: `cls` or `mean`; what the checkpoint declares if absent.
    """

    source: str = "edgecl/vit-64"
    image_size: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    pooling: Pooling | None = None


class MethodConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a task is learned.

    Attributes:
        name: The method.
        rank: Width R of the adapters; 0 for none.
        prefix_length: Prefixes P per block; 0 for none; 10 for images and 4 for texts if absent.
    """

    name: str = "adaprefix"
    rank: NotNegative = 16
    prefix_length: NotNegative | None = None


class TrainingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the parameters of a task are optimised (AdamW, warm-up, cosine).

    Attributes:
        epochs: Passes over the training items; more where `min_steps` asks for it.
        min_steps: Least number of optimisation steps per task.
        batch_size: Items per step.
        learning_rate: Of adapters and prefixes; 5e-3 for images and 2e-3 for texts if absent.
        head_learning_rate: Of the head.
        warmup_fraction: Part of all steps in which the rate rises from zero.
        final_fraction: The cosine ends at this fraction of the rate.
        weight_decay: Decoupled, on all parameters of the task.
        clip_norm: Largest norm of the gradient of all trained parameters.
        precision: `fp32`, `bf16` (autocast), or `auto`: bf16 on a GPU that has it.
        device: `auto`, or a torch device such as `cpu` or `cuda:0`.
        heldout_items: Test items kept in the run, for the parity gate of later exports.
    """

    epochs: AtLeastOne = 5
    min_steps: NotNegative = 60
    batch_size: AtLeastOne = 32
    learning_rate: Positive | None = None
    head_learning_rate: Positive = 5e-3
    warmup_fraction: Fraction = 0.05
    final_fraction: Fraction = 0.1
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    clip_norm: Positive = 1.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    heldout_items: AtLeastOne = 64


class RunConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides the result of a run, but its data.

    Attributes:
        seed: Of splits, starts and the order of batches.
    """

    seed: NotNegative = 0
    backbone: BackboneConfig = BackboneConfig()
    method: MethodConfig = MethodConfig()
    training: TrainingConfig = TrainingConfig()


def resolve(config: RunConfig, modality: Modality) -> RunConfig:
    """Return the configuration with every default that depends on the modality filled in."""
    method, training = config.method, config.training
    if method.prefix_length is None:
        method = msgspec.structs.replace(method, prefix_length=PREFIX_LENGTH[modality])
    if training.learning_rate is None:
        training = msgspec.structs.replace(training, learning_rate=LEARNING_RATE[modality])
    return msgspec.structs.replace(config, method=method, training=training)


def read_config(path: Path | None, *, overrides: dict[str, Any]) -> RunConfig:
    """Return the configuration of a TOML file with single keys overridden.

    Args:
        path: TOML file with the tables of `RunConfig`; None for the defaults.
        overrides: Values by dotted key, such as `{"training.epochs": "3"}`; text is converted to the key's type.

    Raises:
        ConfigError: Unreadable file, unknown key, or a value of the wrong type or range; names the key.
    """
    tree: dict[str, Any] = {} if path is None else _read_toml(path)
    for key, value in overrides.items():
        _set(tree, key, value)
    where = "options" if path is None else str(path)
    try:
        return msgspec.convert(tree, RunConfig, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}. Known keys: {', '.join(known_keys())}") from error


def known_keys() -> tuple[str, ...]:
    """Return every key of a configuration, dotted."""
    keys = ["seed"]
    for table in ("backbone", "method", "training"):
        keys += [f"{table}.{name}" for name in getattr(RunConfig(), table).__struct_fields__]
    return tuple(keys)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    if key not in known_keys():
        raise ConfigError(f"--set {key}: no such key. Known keys: {', '.join(known_keys())}")
    *tables, name = key.split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
        if not isinstance(tree, dict):
            raise ConfigError(
                f"--set {key}: the file holds {table!r} as one value, expected the table [{table}]"
            )
    tree[name] = value
