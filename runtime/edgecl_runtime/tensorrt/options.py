"""What onnxruntime's TensorRT provider is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from edgecl_runtime.bundle import EXPLICIT_GRAPH_FILE, TENSORRT_FILE, Bundle
from edgecl_runtime.errors import BundleFormatError
from edgecl_runtime.tensorrt.cache import EngineKey, prepare_cache
from edgecl_runtime.tensorrt.limits import Limits
from edgecl_runtime.tensorrt.machine import Machine
from edgecl_runtime.tensorrt.shapes import InputShapes, Shape, shape_profile

__all__ = ["TENSORRT_PROVIDER", "engine_options", "provider_options"]

TENSORRT_PROVIDER: Final = "TensorrtExecutionProvider"


def engine_options(
    bundle: Bundle, *, machine: Machine, cache: Path, say: Callable[[str], object]
) -> dict[str, str]:
    """Return the options for a session on the twin of a bundle, with its cache made ready.

    Args:
        bundle: One that was exported for TensorRT.
        machine: What the engine is built on.
        cache: Folder for the engine and the timings of its kernels.
        say: Told when an engine has to be built.

    Raises:
        BundleFormatError: the bundle has no twin or no limits.
        OSError: the cache cannot be written.
    """
    for name in (EXPLICIT_GRAPH_FILE, TENSORRT_FILE):
        if name not in bundle.files:
            raise BundleFormatError(
                f"{bundle.path}: {name}",
                found="nothing",
                expected="what TensorRT needs",
                hint="Export the bundle again with: edgecl export RUN --out BUNDLE --target tensorrt",
            )
    limits = Limits.read(bundle.path / TENSORRT_FILE)
    profile = shape_profile(bundle.preprocessing, bundle.dimensions, limits)
    options = provider_options(profile, precision=bundle.profile.precision, cache=cache)
    key = EngineKey(
        model=bundle.files[EXPLICIT_GRAPH_FILE].sha256,
        gpu=machine.gpu,
        driver=machine.driver,
        tensorrt=machine.tensorrt,
        precision=bundle.profile.precision,
        shapes=options["trt_profile_max_shapes"],
    )
    prepare_cache(cache, key, say=say)
    return options


def provider_options(profile: Mapping[str, InputShapes], *, precision: str, cache: Path) -> dict[str, str]:
    """Return the options of onnxruntime's TensorRT provider for an engine of these shapes.

    Args:
        profile: From `shape_profile`.
        precision: Number type of the graph.
        cache: Folder for the engine and the timings of its kernels.
    """
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
        "trt_profile_min_shapes": _listed({name: shapes.smallest for name, shapes in profile.items()}),
        "trt_profile_opt_shapes": _listed({name: shapes.usual for name, shapes in profile.items()}),
        "trt_profile_max_shapes": _listed({name: shapes.largest for name, shapes in profile.items()}),
    }
    enabled = {"fp16": ("trt_fp16_enable",), "int8": ("trt_fp16_enable", "trt_int8_enable")}
    return options | dict.fromkeys(enabled.get(precision, ()), "1")


def _listed(shapes: Mapping[str, Shape]) -> str:
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
