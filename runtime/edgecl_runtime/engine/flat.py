"""The engine whose addresses never change: a switch overwrites one buffer in place.

A captured CUDA graph replays the addresses it was captured with. Here every input and output of a call lies in a
buffer that is made once for its shapes, and the seven tensors of a task are views of a single one: a switch is one
copy of the whole task.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import Backend, GraphInputs, ModelInputs
from edgecl_runtime.engine.onnxruntime import FEATURES, Device, Session, place_array, refusal

__all__ = ["FlatEngine"]

BUFFERS: Final = 8
_ALIGNMENT = 64  # float32 values; 256 bytes, as CUDA aligns
_Float32 = npt.NDArray[np.float32]
_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class FlatEngine:
    """One onnxruntime session with a set of buffers per shapes, at most `BUFFERS` of them; calls run one by one."""

    backend: Backend = "flat"

    def __init__(self, session: Session, device: Device, *, width: int) -> None:
        self._session, self._device, self._width = session, device, width
        self._buffers: OrderedDict[tuple[_Shapes, _Shapes], _Buffers] = OrderedDict()
        self._running = threading.Lock()

    @property
    def on_gpu(self) -> bool:
        """Whether tensors live in the memory of a GPU."""
        return self._device.is_gpu

    def place(self, task: GraphInputs | None) -> _FlatTask:
        """Return a task ready to run, or the bare backbone; see `Engine`."""
        return _FlatTask(self, task or {})

    def run(self, inputs: ModelInputs, task: _FlatTask) -> _Float32:
        """Return features float32 [B, D] of B rows under a task that was placed here.

        Raises:
            InputError: the graph refuses the inputs.
        """
        key = (_shapes(inputs), task.shapes)
        with self._running:
            try:
                buffers = self._buffers.get(key) or _Buffers(
                    self._session, inputs, task, device=self._device, width=self._width
                )
                features = buffers.run(inputs, task)
            except Exception as error:  # onnxruntime's errors share no base class below Exception
                self._buffers.pop(key, None)
                raise refusal(inputs, error) from error
            self._buffers[key] = buffers
            self._buffers.move_to_end(key)
            while len(self._buffers) > BUFFERS:
                self._buffers.popitem(last=False)
        return features


class _FlatTask:
    """The seven tensors one after the other, each aligned."""

    def __init__(self, engine: FlatEngine, tensors: GraphInputs) -> None:
        self._engine = engine
        self.shapes = _shapes(tensors)
        self.views = _layout(tensors)
        self.flat = np.zeros(max((view.end for view in self.views.values()), default=0), np.float32)
        for name, view in self.views.items():
            self.flat[view.begin : view.begin + tensors[name].size] = tensors[name].reshape(-1)

    @property
    def size_bytes(self) -> int:
        """The bytes of the tensors, with what aligns them."""
        return self.flat.nbytes

    def run(self, inputs: ModelInputs) -> _Float32:
        """Return features; see `PlacedTask`."""
        return self._engine.run(inputs, self)


@dataclass(frozen=True, slots=True)
class _View:
    begin: int
    end: int
    shape: tuple[int, ...]


class _Buffers:
    """Everything that calls of the same shapes read and write."""

    def __init__(
        self, session: Session, inputs: ModelInputs, task: _FlatTask, *, device: Device, width: int
    ) -> None:
        self._session, self._binding = session, session.io_binding()
        self._inputs = {name: place_array(array, device) for name, array in inputs.items()}
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        # onnxruntime asks for an address even where there is nothing to read.
        self._task = place_array(task.flat if task.flat.size else np.zeros(1, np.float32), device)
        for name, view in task.views.items():
            address = self._task.data_ptr() + view.begin * task.flat.itemsize
            self._binding.bind_input(
                name,
                device.kind,
                device.number,
                element_type=np.float32,
                shape=view.shape,
                buffer_ptr=address,
            )
        rows = next(iter(inputs.values())).shape[0]
        self._features = place_array(np.zeros((rows, width), np.float32), device)
        self._binding.bind_ortvalue_output(FEATURES, self._features)
        self._current = task

    def run(self, inputs: ModelInputs, task: _FlatTask) -> _Float32:
        """Copy what changed, run, and return a copy of the features."""
        if task is not self._current and task.flat.size:
            self._task.update_inplace(task.flat)
            self._current = task
        for name, array in inputs.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))
        self._session.run_with_iobinding(self._binding)
        return np.array(self._features.numpy())


def _layout(tensors: GraphInputs) -> Mapping[str, _View]:
    views, begin = {}, 0
    for name, array in tensors.items():
        end = begin + -(-array.size // _ALIGNMENT) * _ALIGNMENT
        views[name] = _View(begin, end, array.shape)
        begin = end
    return views


def _shapes(arrays: ModelInputs) -> _Shapes:
    return tuple((name, array.shape) for name, array in arrays.items())
