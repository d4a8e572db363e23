"""The processes that train one run together, through `accelerate`: each takes a share of every batch.

Gradients are summed over all processes, so the result is that of one process up to the order of summation.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from edgecl.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Value = TypeVar("Value")

GPU_BACKENDS = "cuda:nccl,cpu:gloo"
"""Whatever device the settings name, its tensors can be summed."""


@dataclass(frozen=True, slots=True)
class Workers:
    """This process among `count` that train together.

    Attributes:
        rank: Its number, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def of_environment(cls) -> Workers:
        """Return what `accelerate launch` or `torchrun` made of this process; without them, the only one.

        Raises:
            ConfigError: Several processes were launched and `accelerate` is not installed, or finds fewer.
        """
        launched = int(os.environ.get("WORLD_SIZE", "1"))
        if launched == 1:
            return cls()
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise ConfigError(
                "training on several processes needs accelerate. Install it: pip install accelerate"
            ) from error
        has_gpu = torch.cuda.is_available()
        state = PartialState(backend=GPU_BACKENDS) if has_gpu else PartialState(cpu=True)
        if state.num_processes != launched:  # each would train all of the run, into the same folder
            raise ConfigError.at(
                "training on several processes",
                found=f"{state.num_processes} that can talk to each other",
                expected=f"the {launched} that were launched",
                fix="Launch them with torchrun or accelerate launch, or train with one.",
            )
        return cls(state.process_index, state.num_processes)

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process' part of the rows of a batch; the parts differ by one row at most."""
        return rows[self.rank :: self.count]

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes.

        Args:
            parameters: What the batch is for; others must keep the gradient None, or momentum would move them.
        """
        if self.count == 1:
            return
        from accelerate.utils import reduce

        for parameter in parameters:
            if not parameter.numel():
                continue
            if parameter.grad is None:  # this process had no row in the batch
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad = reduce(parameter.grad, reduction="sum")

    def sum(self, value: float) -> float:
        """Return the sum of a number over all processes."""
        if self.count == 1:
            return value
        from accelerate import PartialState
        from accelerate.utils import reduce

        here = torch.tensor(value, dtype=torch.float64, device=PartialState().device)
        return float(reduce(here, reduction="sum"))

    def of_first(self, value: Value) -> Value:
        """Return the first process' value: by rounding alone, each might decide something else."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        agreed: Value = broadcast_object_list([value])[0]
        return agreed

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()
