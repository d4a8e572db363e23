"""AdaPrefix: adapters and prefixes of a task's own, trained as free parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import Tensor, nn

from edgecl.methods.base import EarlierTasks, NewTask, TaskLearner
from edgecl.modules import Adapter, Head, Prefix, PrefixNet
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator
    from torch.optim import AdamW

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.config import MethodConfig, RunConfig
    from edgecl_runtime.manifest import Dimensions


class AdaPrefixTask(nn.Module):
    """Adapters, prefixes and head of one task.

    The head starts at zero together with the modules: a head that starts from the bare features separates a small
    training set at once, and no gradient is left for the modules.
    """

    def __init__(self, adapter: Adapter, prefix: Prefix | PrefixNet, head: Head) -> None:
        super().__init__()
        self.adapter, self.prefix, self.head = adapter, prefix, head

    def graph_inputs(self) -> dict[str, Tensor]:
        """Return the seven graph inputs with G = 1, differentiable."""
        return self.prefix.graph_inputs() | self.adapter.graph_inputs()

    def features(
        self, backbone: InjectedBackbone, inputs: Mapping[str, Tensor], *, step: int | None = None
    ) -> Tensor:
        """Return pooled features [B, D] under the task, differentiable."""
        return backbone(inputs, self.graph_inputs())  # type: ignore[no-any-return]  # as of every module's call

    def module_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of adapters and prefixes."""
        yield from self.adapter.parameters()
        yield from self.prefix.parameters()

    def undecayed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield nothing: all of it is the task's own."""
        return iter(())

    def penalty(self, optimizer: AdamW, step: int) -> None:
        """Add nothing to the loss."""

    def materialize(self) -> TaskTensors:
        """Return the task as plain float32 arrays, the scaling of features folded into the head."""
        return TaskTensors(**module_arrays(self.graph_inputs()), **head_arrays(self.head))


class AdaPrefix:
    """Learns every task on its own: earlier tasks cannot change, and none is forgotten by construction."""

    ships: ClassVar[bool] = True

    def __init__(self, config: RunConfig, dimensions: Dimensions) -> None:
        self._config, self._dimensions = config.method, dimensions

    def begin_task(self, task: NewTask) -> AdaPrefixTask:
        """Return a fresh task, or one that starts with the modules of its parent."""
        adapter = Adapter(self._dimensions, rank=self._config.rank, generator=task.generator)
        prefix = fresh_prefix(self._config, self._dimensions, task.generator)
        if task.parent is not None:
            _, tensors = task.parent
            adapter.load(tensors)
            if isinstance(prefix, Prefix):  # nets start afresh: `build_method` refuses any other start
                prefix.load(tensors)
        return AdaPrefixTask(adapter, prefix, Head(task.scale, classes=task.classes))

    def end_task(self, name: str, learner: TaskLearner) -> None:
        """Keep nothing: every task is on its own."""

    def state(self) -> dict[str, Tensor]:
        """Return nothing: every task is on its own."""
        return {}

    def load_state(self, state: Mapping[str, Tensor], earlier: EarlierTasks) -> None:
        """Do nothing: every task is on its own."""

    def current(self, name: str, shipped: TaskTensors) -> TaskTensors:
        """Return what was shipped: it cannot change."""
        return shipped


def fresh_prefix(config: MethodConfig, dimensions: Dimensions, random: Generator) -> Prefix | PrefixNet:
    """Return prefixes as they start, of the length, kind and attention that a configuration names."""
    length, attention = config.prefix_length or 0, config.attention
    if config.prefix_hidden:
        return PrefixNet(
            dimensions, length=length, hidden=config.prefix_hidden, generator=random, attention=attention
        )
    return Prefix(dimensions, length=length, generator=random, attention=attention)


def module_arrays(graph_inputs: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Return graph inputs with G = 1 as plain float32 arrays by the names and shapes of the pack."""
    arrays = {}
    for name, tensor in graph_inputs.items():
        if name != "prefix_bias":  # on for every stored task
            arrays[name] = plain(tensor[:, 0, 0] if name.endswith("_bias") else tensor[:, 0])
    return arrays


def head_arrays(head: Head) -> dict[str, NDArray[np.float32]]:
    """Return a head as plain float32 arrays by the names of the pack, the scaling of features folded in."""
    weight, bias = head.folded()
    return {"head_weight": plain(weight), "head_bias": plain(bias)}


def plain(tensor: Tensor) -> NDArray[np.float32]:
    """Return a copy on the CPU, float32."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().contiguous().numpy().copy()
    return array
