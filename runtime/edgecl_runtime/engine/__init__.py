"""Engines: ways to run the one graph of a backbone with the tensors of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["BACKENDS", "Backend", "Engine", "GraphInputs", "ModelInputs", "PlacedTask"]

Backend = Literal["feeds", "binding", "flat"]
BACKENDS: Final[tuple[Backend, ...]] = ("feeds", "binding", "flat")
ModelInputs = Mapping[str, npt.NDArray[Any]]
GraphInputs = Mapping[str, npt.NDArray[np.float32]]


class PlacedTask(Protocol):
    """A task whose tensors lie where the engine reads them. Safe to run from several threads."""

    @property
    def size_bytes(self) -> int:
        """The bytes that are held for it, beside its pack."""

    def run(self, inputs: ModelInputs) -> npt.NDArray[np.float32]:
        """Return features float32 [B, D] of B rows.

        Raises:
            InputError: the graph refuses the inputs.
        """


class Engine(Protocol):
    """Runs the graph."""

    @property
    def backend(self) -> Backend:
        """How tasks are switched."""

    @property
    def on_gpu(self) -> bool:
        """Whether tensors live in the memory of a GPU."""

    def place(self, task: GraphInputs | None) -> PlacedTask:
        """Return a task ready to run, or the bare backbone.

        Args:
            task: The arrays of `TaskTensors.graph_inputs`, or a bank of a task per row (`bank.stack`).
        """
