"""An engine over the explicit twin, whose calls must bring task tensors: no task is tensors of size 0."""

from __future__ import annotations

from edgecl_runtime.engine import Backend, Engine, GraphInputs, PlacedTask
from edgecl_runtime.engine.bank import stack
from edgecl_runtime.manifest import Dimensions

__all__ = ["TwinEngine"]


class TwinEngine:
    """An engine that feeds something for the bare backbone, too."""

    def __init__(self, engine: Engine, dimensions: Dimensions) -> None:
        self._engine = engine
        self._no_task = stack([None], dimensions)

    @property
    def backend(self) -> Backend:
        """How tasks are switched."""
        return self._engine.backend

    @property
    def on_gpu(self) -> bool:
        """Whether tensors live in the memory of a GPU."""
        return self._engine.on_gpu

    def place(self, task: GraphInputs | None) -> PlacedTask:
        """Return a task ready to run, or the bare backbone; see `Engine`."""
        return self._engine.place(self._no_task if task is None else task)
