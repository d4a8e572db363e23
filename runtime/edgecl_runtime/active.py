"""The tasks in use: float32, where the engine reads them, as many as a budget of bytes holds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import Engine, PlacedTask
from edgecl_runtime.engine.bank import stack
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.pack import TaskPack

__all__ = ["ActiveTask", "ActiveTasks", "Head"]

_Float32 = npt.NDArray[np.float32]
_Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The head of a task in float32: `weight` [C, D], `bias` [C]."""

    weight: _Float32
    bias: _Float32

    @classmethod
    def of(cls, pack: TaskPack) -> Head:
        """Return a copy of a pack's head."""
        tensors = pack.tensors
        return cls(np.array(tensors.head_weight, np.float32), np.array(tensors.head_bias, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class ActiveTask:
    """A task, or a task per row, ready to run, with the head of each task by name."""

    placed: PlacedTask
    heads: Mapping[str, Head]

    @property
    def size_bytes(self) -> int:
        """The bytes that are held for it, beside the packs."""
        heads = sum(head.weight.nbytes + head.bias.nbytes for head in self.heads.values())
        return self.placed.size_bytes + heads


class ActiveTasks:
    """The most recently used tasks, never more than `budget_bytes` of them. Safe to use from several threads.

    A task that alone is larger than the budget works and is not kept.
    """

    def __init__(self, engine: Engine, dimensions: Dimensions, *, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self._engine, self._dimensions = engine, dimensions
        self._bare = ActiveTask(engine.place(None), {})
        self._entries: OrderedDict[_Key, ActiveTask] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bare(self) -> PlacedTask:
        """The backbone without a task."""
        return self._bare.placed

    def task(self, pack: TaskPack) -> ActiveTask:
        """Return one task for all rows."""
        return self._get((pack.manifest.header_sha256,), lambda: self._activate(pack))

    def rows(self, packs: Sequence[TaskPack | None]) -> ActiveTask:
        """Return a task per row; None is the bare backbone."""
        key = tuple(None if pack is None else pack.manifest.header_sha256 for pack in packs)
        if len(set(key)) > 1:
            return self._get(key, lambda: self._activate_rows(packs))
        return self._bare if packs[0] is None else self.task(packs[0])

    def drop(self, pack: TaskPack) -> None:
        """Forget what was made from a pack."""
        digest = pack.manifest.header_sha256
        with self._lock:
            for key in [key for key in self._entries if digest in key]:
                self.size_bytes -= self._entries.pop(key).size_bytes

    def _get(self, key: _Key, make: Callable[[], ActiveTask]) -> ActiveTask:
        with self._lock:
            active = self._entries.get(key)
            if active is None:
                active = self._entries[key] = make()
                self.size_bytes += active.size_bytes
            self._entries.move_to_end(key)
            while self.size_bytes > self.budget_bytes:
                self.size_bytes -= self._entries.popitem(last=False)[1].size_bytes
        return active

    def _activate(self, pack: TaskPack) -> ActiveTask:
        placed = self._engine.place(pack.tensors.graph_inputs())
        return ActiveTask(placed, {pack.manifest.task: Head.of(pack)})

    def _activate_rows(self, packs: Sequence[TaskPack | None]) -> ActiveTask:
        bank = stack([None if pack is None else pack.tensors for pack in packs], self._dimensions)
        heads = {pack.manifest.task: Head.of(pack) for pack in packs if pack is not None}
        return ActiveTask(self._engine.place(bank), heads)
