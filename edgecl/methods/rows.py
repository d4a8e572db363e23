"""What the rows of a generator stand for: prefixes or adapters, as graph inputs and back from stored tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from edgecl.generators import (
    RowPlan,
    adapter_from_rows,
    adapter_plan,
    prefix_from_rows,
    prefix_plan,
    rows_from_adapter,
    rows_from_prefix,
)
from edgecl.generators.layout import AdapterTensors, Layout
from edgecl.modules import adapter_inputs, prefix_inputs

if TYPE_CHECKING:
    from edgecl.kinds import AttentionVariant
    from edgecl_runtime.manifest import Dimensions
    from edgecl_runtime.tensors import TaskTensors


class RowTarget(Protocol):
    """One kind of module that is generated.

    Attributes:
        plan: How many rows it has in a block, and how they start.
    """

    plan: RowPlan

    def graph_inputs(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the graph inputs with G = 1 that rows [L, rows, D] stand for, differentiable."""
        ...

    def rows(self, task: TaskTensors) -> Tensor:
        """Return the rows [L, rows, D] that a stored task was made of."""
        ...


class PrefixTarget:
    """Generates the prefixes."""

    def __init__(
        self, dimensions: Dimensions, *, length: int, layout: Layout, attention: AttentionVariant
    ) -> None:
        self.plan = prefix_plan(dimensions, length=length, attention=attention)
        self._dimensions, self._layout = dimensions, layout

    def graph_inputs(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the graph inputs with G = 1 that rows [L, 2P, D] stand for, differentiable."""
        return prefix_inputs(*prefix_from_rows(rows, self._dimensions, layout=self._layout))

    def rows(self, task: TaskTensors) -> Tensor:
        """Return the rows [L, 2P, D] that a stored task was made of."""
        key, value = torch.from_numpy(task.prefix_k), torch.from_numpy(task.prefix_v)
        return rows_from_prefix(key, value, layout=self._layout)


class AdapterTarget:
    """Generates the adapters."""

    def __init__(self, dimensions: Dimensions, *, rank: int) -> None:
        self.plan = adapter_plan(dimensions, rank=rank)

    def graph_inputs(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the graph inputs with G = 1 that rows [L, 2R + 2, D] stand for, differentiable."""
        return adapter_inputs(*adapter_from_rows(rows))

    def rows(self, task: TaskTensors) -> Tensor:
        """Return the rows [L, 2R + 2, D] that a stored task was made of; entries that are not used are zero."""
        names = ("adapter_down", "adapter_down_bias", "adapter_up", "adapter_up_bias")
        return rows_from_adapter(AdapterTensors(*(torch.from_numpy(getattr(task, name)) for name in names)))
