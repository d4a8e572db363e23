"""TensorRT through onnxruntime's provider: the shapes an engine serves, its options, and its cache.

TensorRT compiles the explicit twin of a graph for one GPU. The task tensors stay inputs of the engine, so a new task
needs no new engine; a new graph, GPU, driver, TensorRT or other limits do, and the cache sees to that.
"""

from edgecl_runtime.tensorrt.cache import EngineKey, prepare_cache
from edgecl_runtime.tensorrt.limits import Limits
from edgecl_runtime.tensorrt.machine import Machine, find_machine
from edgecl_runtime.tensorrt.options import TENSORRT_PROVIDER, engine_options, provider_options
from edgecl_runtime.tensorrt.shapes import InputShapes, shape_profile

__all__ = [
    "TENSORRT_PROVIDER",
    "EngineKey",
    "InputShapes",
    "Limits",
    "Machine",
    "engine_options",
    "find_machine",
    "prepare_cache",
    "provider_options",
    "shape_profile",
]
