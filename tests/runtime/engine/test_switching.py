from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecl_runtime import SwitchingError
from edgecl_runtime.engine import BACKENDS, Backend, Engine, GraphInputs, PlacedTask
from edgecl_runtime.engine.switching import check_switching
from tests.runtime.engine.factories import make_engine, make_inputs
from tests.runtime.factories import DIMENSIONS


class FrozenEngine:
    """Ignores its tasks, as TensorRT does with a graph whose task tensors have defaults."""

    backend: Backend = "binding"
    on_gpu = True

    def __init__(self, engine: Engine) -> None:
        self._bare = engine.place(None)

    def place(self, _task: GraphInputs | None) -> PlacedTask:
        return self._bare


class BrokenTask:
    """Gives no numbers."""

    size_bytes = 0

    def run(self, _inputs: object) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.full((1, 8), np.nan, np.float32)


def check(engine: Engine) -> None:
    check_switching(engine, make_inputs(1), dimensions=DIMENSIONS, where="backbone.onnx")


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_switches_here(backend: Backend) -> None:
    check(make_engine(backend))


def test_an_engine_that_ignores_its_tasks_is_refused() -> None:
    with pytest.raises(
        SwitchingError, match=r"backbone.onnx: with the binding backend two tasks .* differ by 0,"
    ):
        check(FrozenEngine(make_engine()))


def test_an_engine_that_gives_no_numbers_is_refused() -> None:
    engine = FrozenEngine(make_engine())
    engine._bare = BrokenTask()
    with pytest.raises(SwitchingError, match="differ by nan"):
        check(engine)
