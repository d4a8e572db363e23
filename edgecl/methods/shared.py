"""One module for all tasks, to compare with: trained on from task to task, where it forgets, or on all at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from edgecl.methods.adaprefix import AdaPrefixTask, fresh_prefix, module_arrays
from edgecl.methods.base import EarlierTasks, NewTask, TaskLearner
from edgecl.modules import Adapter, Head
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from edgecl.config import RunConfig
    from edgecl_runtime.manifest import Dimensions


class SharedModule:
    """Adapters and prefixes that belong to all tasks, with a head per task.

    A comparison, never shipped: what is learned last overwrites what was learned before.
    """

    ships: ClassVar[bool] = False

    def __init__(self, config: RunConfig, dimensions: Dimensions) -> None:
        random = torch.Generator().manual_seed(config.seed)
        self._adapter = Adapter(dimensions, rank=config.method.rank, generator=random)
        self._prefix = fresh_prefix(config.method, dimensions, random)

    def begin_task(self, task: NewTask) -> AdaPrefixTask:
        """Return the shared modules, as the task before left them, with a head of the task's own."""
        return AdaPrefixTask(self._adapter, self._prefix, Head(task.scale, classes=task.classes))

    def end_task(self, name: str, learner: TaskLearner) -> None:
        """Keep nothing more: the modules were trained in place."""

    def state(self) -> dict[str, Tensor]:
        """Return the shared modules."""
        modules = {"adapter": self._adapter, "prefix": self._prefix}
        return {
            f"{kind}.{name}": tensor
            for kind, module in modules.items()
            for name, tensor in module.state_dict().items()
        }

    def load_state(self, state: Mapping[str, Tensor], earlier: EarlierTasks) -> None:
        """Go on with stored modules."""
        for kind, module in (("adapter", self._adapter), ("prefix", self._prefix)):
            names = module.state_dict()
            module.load_state_dict({name: state[f"{kind}.{name}"] for name in names})

    def current(self, name: str, shipped: TaskTensors) -> TaskTensors:
        """Return the modules of now with the task's own head."""
        now = module_arrays(self._prefix.graph_inputs() | self._adapter.graph_inputs())
        return dataclasses.replace(shipped, **now)
