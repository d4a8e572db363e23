"""The engine for GPUs: the tensors of a task stay in the device's memory, bound once."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import Backend, GraphInputs, ModelInputs
from edgecl_runtime.engine.onnxruntime import (
    FEATURES,
    Device,
    Session,
    Value,
    place_array,
    refusal,
)

__all__ = ["BindingEngine"]


class BindingEngine:
    """One onnxruntime session with a binding per task; a switch is a choice of binding."""

    backend: Backend = "binding"

    def __init__(self, session: Session, device: Device) -> None:
        self._session, self._device = session, device

    @property
    def on_gpu(self) -> bool:
        """Whether tensors live in the memory of a GPU."""
        return self._device.is_gpu

    def place(self, task: GraphInputs | None) -> _BoundTask:
        """Return a task ready to run, or the bare backbone; see `Engine`."""
        values = {name: place_array(array, self._device) for name, array in (task or {}).items()}
        size_bytes = sum(array.nbytes for array in (task or {}).values())
        return _BoundTask(self._session, values, size_bytes=size_bytes)


class _BoundTask:
    def __init__(self, session: Session, values: dict[str, Value], *, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._session = session
        self._values = values  # a binding does not keep them alive
        self._binding = session.io_binding()
        for name, value in values.items():
            self._binding.bind_ortvalue_input(name, value)
        self._running = threading.Lock()

    def run(self, inputs: ModelInputs) -> npt.NDArray[np.float32]:
        """Return features; see `PlacedTask`."""
        with self._running:
            try:
                for name, array in inputs.items():
                    self._binding.bind_cpu_input(name, array)
                self._binding.bind_output(FEATURES)
                self._session.run_with_iobinding(self._binding)
                features: npt.NDArray[np.float32] = self._binding.copy_outputs_to_cpu()[0]
            except Exception as error:  # onnxruntime's errors share no base class below Exception
                raise refusal(inputs, error) from error
        return features
