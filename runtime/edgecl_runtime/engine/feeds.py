"""The engine that is always right: the tensors of the task are fed with every call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import Backend, GraphInputs, ModelInputs
from edgecl_runtime.engine.onnxruntime import Session, run_session

__all__ = ["FeedsEngine"]


class FeedsEngine:
    """One onnxruntime session that serves every task; a switch is a choice of feeds."""

    backend: Backend = "feeds"
    on_gpu = False

    def __init__(self, session: Session) -> None:
        self._session = session

    def place(self, task: GraphInputs | None) -> _FedTask:
        """Return a task ready to run, or the bare backbone; see `Engine`."""
        return _FedTask(self._session, task or {})


@dataclass(frozen=True, slots=True, eq=False)
class _FedTask:
    session: Session
    feeds: GraphInputs

    @property
    def size_bytes(self) -> int:
        """The bytes of the tensors."""
        return sum(array.nbytes for array in self.feeds.values())

    def run(self, inputs: ModelInputs) -> npt.NDArray[np.float32]:
        """Return features; see `PlacedTask`."""
        return run_session(self.session, {**inputs, **self.feeds})
