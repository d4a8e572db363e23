"""The generator that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgecl.errors import ConfigError
from edgecl.generators import (
    GrowingGenerator,
    IntervalConfig,
    IntervalGenerator,
    Network,
    RecurrentConfig,
    RecurrentGenerator,
    RowPlan,
    RowwiseConfig,
    RowwiseGenerator,
)

if TYPE_CHECKING:
    import torch

    from edgecl.config import GeneratorConfig
    from edgecl_runtime.manifest import Dimensions

GUIDED = "generator.architecture=rowwise with generator.task_embedding=vector"
"""The network that every mode of guidance can guide."""

VECTOR_SIZE = 32
ROW_SIZE = 64

ONLY_FOR: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "task_embedding": ("architecture", ("rowwise",)),
    "layer_embedding": ("architecture", ("rowwise", "interval")),
    "recurrent_mode": ("architecture", ("recurrent",)),
    "recurrent_learned_state": ("architecture", ("recurrent",)),
    "interval_epsilon": ("architecture", ("interval",)),
    "interval_nested": ("architecture", ("interval",)),
    "interval_drift": ("architecture", ("interval",)),
    "layout": ("generates", ("prefix",)),
    "guidance_from": ("guidance", ("distance", "decoder", "paper")),
    "guidance_normalization": ("guidance", ("distance", "decoder", "paper")),
    "guidance_weight": ("guidance", ("distance", "decoder", "paper")),
    "guidance_fade": ("guidance", ("distance", "decoder", "paper")),
}
"""Settings that mean something only beside certain values of another one."""


def build_network(
    config: GeneratorConfig, dimensions: Dimensions, plan: RowPlan, *, random: torch.Generator
) -> Network:
    """Return a fresh generator of the rows of a plan.

    Raises:
        ConfigError: The sizes do not fit the backbone, a setting means nothing for the architecture, or guidance is
            asked for where it cannot guide.
    """
    _check_meaning(config)
    _check_guidance(config)
    if config.architecture == "interval":
        return IntervalGenerator(dimensions, plan, _interval(config), generator=random)
    if config.architecture == "recurrent":
        build = GrowingGenerator if config.recurrent_mode == "grow" else RecurrentGenerator
        return build(dimensions, plan, _recurrent(config), generator=random)
    rowwise = RowwiseConfig(
        task_embedding=config.task_embedding,
        task_size=VECTOR_SIZE if config.task_embedding == "vector" else ROW_SIZE,
        layer_embedding=config.layer_embedding,
        start=config.start,
        encoder=config.guidance in {"decoder", "paper"},
    )
    return RowwiseGenerator(dimensions, plan, rowwise, generator=random)


def _interval(config: GeneratorConfig) -> IntervalConfig:
    return IntervalConfig(
        epsilon=config.interval_epsilon,
        nested=config.interval_nested,
        layer_embedding=config.layer_embedding,
        start=config.start,
    )


def _recurrent(config: GeneratorConfig) -> RecurrentConfig:
    is_frozen = config.recurrent_mode == "freeze_recurrent"
    return RecurrentConfig(
        mode="freeze_recurrent" if is_frozen else "regularised",
        learned_state=config.recurrent_learned_state,
        start=config.start,
    )


def _check_meaning(config: GeneratorConfig) -> None:
    """Refuse settings that would be ignored."""
    default = type(config)()
    for key, (other, values) in ONLY_FOR.items():
        found, beside = getattr(config, key), getattr(config, other)
        if beside not in values and found != getattr(default, key):
            raise ConfigError.at(
                f"generator.{key}",
                found=f"{found!r} beside generator.{other}={beside}",
                expected=f"generator.{other}={' or '.join(values)}",
                fix=f"Leave generator.{key} out, or change generator.{other}.",
            )


def _check_guidance(config: GeneratorConfig) -> None:
    """Refuse guidance where a task has no vector, or where decoding it would be copying."""
    if config.guidance == "none":
        return
    unguided = _unguided(config)
    if unguided is not None:
        embeddings, fix = unguided
        raise ConfigError.at(
            "generator.guidance",
            found=f"{config.guidance!r} for embeddings of {embeddings}",
            expected="one vector per task",
            fix=fix,
        )
    if config.architecture == "recurrent" and config.guidance != "distance":
        raise ConfigError.at(
            "generator.guidance",
            found=f"{config.guidance!r} beside generator.architecture=recurrent",
            expected="'distance': without an encoder a decoder would only copy",
            fix=f"Set generator.guidance=distance, or {GUIDED}.",
        )


def _unguided(config: GeneratorConfig) -> tuple[str, str] | None:
    """Return what a task has instead of one vector that can be placed, and the way out; None where it has one."""
    if config.architecture == "interval":
        return "boxes", f"Set {GUIDED}."
    if config.architecture == "recurrent" and config.recurrent_mode == "grow":
        return "weights", "Set generator.recurrent_mode=regularised with generator.guidance=distance."
    if config.architecture == "rowwise" and config.task_embedding == "row":
        return "rows", "Set generator.task_embedding=vector."
    return None
