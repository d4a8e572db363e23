"""The generator that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecl.errors import ConfigError
from edgecl.generators import (
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

Network = RowwiseGenerator | RecurrentGenerator

VECTOR_SIZE = 32
ROW_SIZE = 64


def build_network(
    config: GeneratorConfig, dimensions: Dimensions, plan: RowPlan, *, random: torch.Generator
) -> Network:
    """Return a fresh generator of the rows of a plan.

    Raises:
        ConfigError: The sizes do not fit the backbone, no method trains such a generator, or guidance is asked for
            where a task has no vector.
    """
    if config.architecture == "interval":
        raise ConfigError.at(
            "generator.architecture",
            found="'interval'",
            expected="'rowwise' or 'recurrent'",
            fix="Bounds of intervals are not trained by any method yet.",
        )
    is_vector = config.task_embedding == "vector" or config.architecture == "recurrent"
    if config.guidance != "none" and not is_vector:
        raise ConfigError.at(
            "generator.guidance",
            found=f"{config.guidance!r} for embeddings of rows",
            expected="one vector per task",
            fix="Set generator.task_embedding=vector as well.",
        )
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
