"""Makes engines and inputs for the tests of engines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecl_runtime import Profile
from edgecl_runtime.engine import Backend, Engine, PlacedTask
from edgecl_runtime.engine.backends import build_engine
from edgecl_runtime.engine.onnxruntime import open_session
from edgecl_runtime.tensors import TaskTensors
from tests.runtime.factories import DIMENSIONS, IMAGE_BUNDLE

CPU = ("CPUExecutionProvider",)


def make_engine(backend: Backend = "feeds") -> Engine:
    """Return an engine over the golden image graph."""
    session = open_session(IMAGE_BUNDLE / "backbone.onnx", CPU)
    return build_engine(session, Profile(backend=backend), width=DIMENSIONS.width)


def make_inputs(rows: int = 3, *, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return random inputs of the golden image graph."""
    pixels = np.random.default_rng(seed).normal(size=(rows, 3, 8, 8))
    return {"pixel_values": pixels.astype(np.float32)}


def place(engine: Engine, tensors: TaskTensors | None) -> PlacedTask:
    """Return a task placed on an engine."""
    return engine.place(None if tensors is None else tensors.graph_inputs())
