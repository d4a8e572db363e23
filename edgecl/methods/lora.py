"""LoRA per task, through `peft`: the peer that every team would try first."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from edgecl.errors import ConfigError
from edgecl.methods.base import EarlierTasks, NewTask, TaskLearner
from edgecl.modules import Head
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from torch.optim import AdamW

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.config import RunConfig
    from edgecl_runtime.manifest import Dimensions

QUERY_AND_VALUE = r".*\.(q_proj|v_proj|query|value)"
"""The projections that LoRA adapts ("LoRA: Low-Rank Adaptation", Hu et al. 2022, section 4.2)."""


class LoraTask(nn.Module):
    """Low-rank updates of the query and value projections of a copy of the backbone, with a head.

    The updates start as zero.
    """

    def __init__(self, backbone: InjectedBackbone, head: Head, *, rank: int, seed: int) -> None:
        super().__init__()
        self.head = head
        self.adapted = copy.deepcopy(backbone)
        settings = _lora_config(rank)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            _inject(settings, self.adapted.model)
        for name, parameter in self.adapted.named_parameters():
            parameter.requires_grad_("lora_" in name)

    def features(
        self, backbone: InjectedBackbone, inputs: Mapping[str, Tensor], *, step: int | None = None
    ) -> Tensor:
        """Return pooled features [B, D] of the adapted copy, differentiable."""
        return self.adapted(inputs)  # type: ignore[no-any-return]  # as of every module's call

    def module_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the low-rank updates."""
        return (parameter for parameter in self.adapted.parameters() if parameter.requires_grad)

    def undecayed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield nothing: all of it is the task's own."""
        return iter(())

    def penalty(self, optimizer: AdamW, step: int) -> None:
        """Add nothing to the loss."""

    def materialize(self) -> TaskTensors | None:
        """Return None: a peer is measured, never shipped."""
        return None


class Lora:
    """Learns every task on its own, as `peft` does."""

    ships: ClassVar[bool] = False

    def __init__(self, config: RunConfig, dimensions: Dimensions) -> None:
        _lora_config(config.method.rank)
        self._rank = config.method.rank

    def begin_task(self, task: NewTask) -> LoraTask:
        """Return a fresh task."""
        head = Head(task.scale, classes=task.classes)
        return LoraTask(task.backbone, head, rank=self._rank, seed=task.seed)

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


def _lora_config(rank: int) -> Any:
    """Return the settings of `peft`.

    Raises:
        ConfigError: It is not installed, or the rank is 0.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ConfigError("method.name: lora needs peft. Install it: pip install peft") from error
    if rank < 1:
        raise ConfigError("method.rank: found 0, expected 1 or more for lora")
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=QUERY_AND_VALUE)


def _inject(settings: Any, model: nn.Module) -> None:
    from peft import inject_adapter_in_model

    inject_adapter_in_model(settings, model)
