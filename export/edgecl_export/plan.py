"""What an export makes, beside the graph and a float16 pack per task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecl_runtime.tensorrt import Limits

__all__ = ["FULL_PRECISION", "MAX_LOSS", "PACK_TYPES", "ExportPlan", "PackPlan"]

FULL_PRECISION = "fp32"

PACK_TYPES = {"fp16": "F16", "int8": "I8"}
"""By the word that commands take: types of packs."""
MAX_LOSS = 2.0
"""Percent points of accuracy on held-out items that a lower precision may cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPlan:
    """How packs are stored and what that may cost.

    Attributes:
        pack_type: `F16` or `I8`.
        max_loss: Accuracy that a lower precision of graph or tensors may cost, percent points.
        adapters: Whether each pack also becomes an `.onnx_adapter` beside it.
    """

    pack_type: str = "F16"
    max_loss: float = MAX_LOSS
    adapters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What a bundle is made of.

    Attributes:
        packs: How packs are stored.
        precision: Number type of the graph; None takes the device's.
        twin: Whether the bundle gets the explicit twin of its graph.
        tensorrt: The largest calls that TensorRT's engine serves; None for a bundle without TensorRT. With it the
            bundle names TensorRT's provider first, and has the twin.
        engine: Whether torch_tensorrt also builds an engine, for the GPU of this machine.
    """

    packs: PackPlan = PackPlan()
    precision: str | None = None
    twin: bool = False
    tensorrt: Limits | None = None
    engine: bool = False
