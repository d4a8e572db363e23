"""Engines: ways to run the one graph of a backbone with the tensors of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecl_runtime.tensors import TaskTensors

__all__ = ["ActiveTask", "Engine"]

_Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ActiveTask:
    """A task whose tensors are float32 and in the graph's shapes.

    Attributes:
        graph_inputs: By name, see `TaskTensors.graph_inputs`.
        head_weight: [C, D].
        head_bias: [C].
    """

    graph_inputs: Mapping[str, _Float32]
    head_weight: _Float32
    head_bias: _Float32

    @classmethod
    def from_tensors(cls, tensors: TaskTensors) -> ActiveTask:
        """Return the task with its own float32 copies of the tensors."""
        return cls(
            graph_inputs=tensors.graph_inputs(),
            head_weight=np.array(tensors.head_weight, dtype=np.float32),
            head_bias=np.array(tensors.head_bias, dtype=np.float32),
        )


class Engine(Protocol):
    """Runs the graph. Engines are safe to call from several threads."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], task: ActiveTask | None) -> _Float32:
        """Return features float32 [B, D] of B rows, under a task or under the bare backbone.

        Raises:
            InputError: the graph refuses the inputs.
        """
