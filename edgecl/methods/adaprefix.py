"""AdaPrefix: adapters and prefixes of a task's own, trained as free parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgecl.modules import Adapter, FeatureScale, Head, Prefix
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from edgecl.config import MethodConfig
    from edgecl_runtime.manifest import Dimensions


class AdaPrefixTask(nn.Module):
    """Adapters, prefixes and head of one task.

    The head starts at zero together with the modules: a head that starts from the bare features separates a small
    training set at once, and no gradient is left for the modules.
    """

    def __init__(
        self,
        config: MethodConfig,
        dimensions: Dimensions,
        *,
        classes: int,
        scale: FeatureScale,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.adapter = Adapter(dimensions, rank=config.rank, generator=generator)
        self.prefix = Prefix(dimensions, length=config.prefix_length or 0, generator=generator)
        self.head = Head(scale, classes=classes)

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the seven graph inputs with G = 1, differentiable."""
        return self.prefix.graph_inputs() | self.adapter.graph_inputs()

    def module_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of adapters and prefixes."""
        yield from self.adapter.parameters()
        yield from self.prefix.parameters()

    def materialize(self) -> TaskTensors:
        """Return the task as plain float32 arrays, the scaling of features folded into the head."""
        head_weight, head_bias = self.head.folded()
        return TaskTensors(
            prefix_k=_array(self.prefix.key),
            prefix_v=_array(self.prefix.value),
            adapter_down=_array(self.adapter.down),
            adapter_down_bias=_array(self.adapter.down_bias),
            adapter_up=_array(self.adapter.up),
            adapter_up_bias=_array(self.adapter.up_bias),
            head_weight=_array(head_weight),
            head_bias=_array(head_bias),
        )


class AdaPrefix:
    """Learns every task on its own: earlier tasks cannot change, and none is forgotten by construction."""

    def __init__(self, config: MethodConfig, dimensions: Dimensions) -> None:
        self._config, self._dimensions = config, dimensions

    def begin_task(self, *, classes: int, scale: FeatureScale, generator: torch.Generator) -> AdaPrefixTask:
        """Return a fresh task.

        Args:
            classes: How many the head tells apart.
            scale: Of the bare backbone's features on the task's training items.
            generator: Where the random start comes from.
        """
        return AdaPrefixTask(
            self._config, self._dimensions, classes=classes, scale=scale, generator=generator
        )


def _array(parameter: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = parameter.detach().float().cpu().contiguous().numpy().copy()
    return array
