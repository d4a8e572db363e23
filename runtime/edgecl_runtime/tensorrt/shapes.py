"""The optimisation profile of an engine: the smallest, the usual and the largest shape of every input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.preprocess.spec import ImagePreprocessing, Preprocessing
from edgecl_runtime.tensorrt.limits import Limits
from edgecl_runtime.tensors import graph_shapes

__all__ = ["InputShapes", "shape_profile"]

Shape = tuple[int, ...]

# Of the sizes that are free in a task input, by their place among them.
_FREE: Final = {
    "prefix_k": ("tasks", "prefixes"),
    "prefix_v": ("tasks", "prefixes"),
    "prefix_bias": ("tasks", "prefixes"),
    "adapter_down": ("tasks", "rank"),
    "adapter_down_bias": ("tasks", "rank"),
    "adapter_up": ("tasks", "rank"),
    "adapter_up_bias": ("tasks",),
}


@dataclass(frozen=True, slots=True)
class InputShapes:
    """The shapes of one input that an engine must serve."""

    smallest: Shape
    usual: Shape
    largest: Shape


def shape_profile(
    preprocessing: Preprocessing, dimensions: Dimensions, limits: Limits
) -> dict[str, InputShapes]:
    """Return the shapes of every input of the twin: from one row without a task to a full batch of the largest tasks.

    The usual call, which the engine is made fast for, is a full batch under one task of the largest size.
    """
    smallest = {"batch": 1, "tasks": 1, "prefixes": 0, "rank": 0, "tokens": 1}
    largest = {
        "batch": limits.batch,
        "tasks": limits.batch,
        "prefixes": limits.prefixes,
        "rank": limits.rank,
        "tokens": getattr(preprocessing, "max_tokens", 1),
    }
    usual = {**largest, "tasks": 1}
    return {
        name: InputShapes(*(_filled(axes, sizes) for sizes in (smallest, usual, largest)))
        for name, axes in _inputs(preprocessing, dimensions).items()
    }


def _inputs(preprocessing: Preprocessing, dimensions: Dimensions) -> dict[str, tuple[int | str, ...]]:
    """Return every input with its sizes, names where they are free."""
    own: dict[str, tuple[int | str, ...]] = dict.fromkeys(
        ("input_ids", "attention_mask"), ("batch", "tokens")
    )
    if isinstance(preprocessing, ImagePreprocessing):
        own = {"pixel_values": ("batch", 3, preprocessing.size, preprocessing.size)}
    for name, shape in graph_shapes(dimensions).items():
        free = iter(_FREE[name])
        own[name] = tuple(next(free) if size is None else size for size in shape)
    return own


def _filled(axes: tuple[int | str, ...], sizes: dict[str, int]) -> Shape:
    return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in axes)
