"""The generator that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecl.errors import ConfigError
from edgecl.generators import (
    IntervalConfig,
    IntervalGenerator,
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

Network = RowwiseGenerator | RecurrentGenerator | IntervalGenerator

VECTOR_SIZE = 32
ROW_SIZE = 64


def build_network(
    config: GeneratorConfig, dimensions: Dimensions, plan: RowPlan, *, random: torch.Generator
) -> Network:
    """Return a fresh generator of the rows of a plan.

    Raises:
        ConfigError: The sizes do not fit the backbone, or guidance is asked for where a task has no vector.
    """
    is_vector = config.task_embedding == "vector" or config.architecture == "recurrent"
    if config.guidance != "none" and (not is_vector or config.architecture == "interval"):
        raise ConfigError.at(
            "generator.guidance",
            found=f"{config.guidance!r} for embeddings of "
            + ("boxes" if config.architecture == "interval" else "rows"),
            expected="one vector per task",
            fix="Set generator.task_embedding=vector, and an architecture that is not interval.",
        )
    if config.architecture == "interval":
        interval = IntervalConfig(layer_embedding=config.layer_embedding, start=config.start)
        return IntervalGenerator(dimensions, plan, interval, generator=random)
    if config.architecture == "recurrent":
        return RecurrentGenerator(dimensions, plan, RecurrentConfig(start=config.start), generator=random)
    rowwise = RowwiseConfig(
        task_embedding=config.task_embedding,
        task_size=VECTOR_SIZE if config.task_embedding == "vector" else ROW_SIZE,
        layer_embedding=config.layer_embedding,
        start=config.start,
        encoder=config.guidance in {"decoder", "paper"},
    )
    return RowwiseGenerator(dimensions, plan, rowwise, generator=random)
