"""The seam between how a task is learned and everything after: `materialize` gives plain tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgecl.errors import ConfigError
from edgecl.methods.adaprefix import AdaPrefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Generator, Tensor, nn

    from edgecl.config import MethodConfig
    from edgecl.modules import FeatureScale, Head
    from edgecl_runtime.manifest import Dimensions
    from edgecl_runtime.tensors import TaskTensors


class TaskLearner(Protocol):
    """What is trained while one task is learned: a module with a head."""

    head: Head

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the seven graph inputs with G = 1, differentiable."""
        ...

    def materialize(self) -> TaskTensors:
        """Return the task as plain float32 arrays; nothing downstream knows how they were made."""
        ...

    def module_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters that are not the head's."""
        ...


class Method(Protocol):
    """A way to learn one task after another on a frozen backbone."""

    def begin_task(self, *, classes: int, scale: FeatureScale, generator: Generator) -> TaskLearner:
        """Return a fresh learner; every random start comes from `generator`."""
        ...


METHODS = {"adaprefix": AdaPrefix}


def build_method(config: MethodConfig, dimensions: Dimensions) -> Method:
    """Return the method that a configuration names.

    Raises:
        ConfigError: There is no such method.
    """
    if config.name not in METHODS:
        raise ConfigError(f"method.name: found {config.name!r}, expected one of {', '.join(sorted(METHODS))}")
    return METHODS[config.name](config, dimensions)
