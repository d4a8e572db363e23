"""The self-test of an engine: does another task change the output here?

Some execution providers and language bindings ignore a task without a word: TensorRT's parser freezes the defaults
of the graph, onnxruntime's own adapters are not applied to bound inputs. So it is tried before anything else runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecl_runtime.engine import Engine, GraphInputs, ModelInputs
from edgecl_runtime.errors import SwitchingError
from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import TaskTensors, expected_shapes

__all__ = ["check_switching"]

_SMALL = 1e-4  # of the largest feature; a random task changes it by about its own size


def check_switching(engine: Engine, inputs: ModelInputs, *, dimensions: Dimensions, where: str) -> None:
    """Do nothing if two tasks of the same sizes give different features on this engine.

    Args:
        engine: The engine in use.
        inputs: One row or more for the graph.
        dimensions: Of the backbone.
        where: The graph, for the message.

    Raises:
        SwitchingError: the features are the same.
    """
    first, second = (engine.place(_random_task(dimensions, seed)).run(inputs) for seed in (0, 1))
    difference = float(np.abs(first - second).max())
    if not difference > _SMALL * float(np.abs(first).max()):
        raise SwitchingError(where, backend=engine.backend, found=difference)


def _random_task(dimensions: Dimensions, seed: int) -> GraphInputs:
    random = np.random.default_rng(seed)
    shapes = expected_shapes(dimensions, prefix_length=1, rank=1, classes=0)
    arrays: dict[str, npt.NDArray[np.float32]] = {
        name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()
    }
    return TaskTensors(**arrays).graph_inputs()
