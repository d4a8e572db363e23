"""What a caller may pass as inputs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecl_runtime.errors import InputError

__all__ = ["as_items"]


def as_items(inputs: object, modality: str) -> Sequence[object]:
    """Return the items of a call: one item counts as a sequence of one.

    Raises:
        InputError: the inputs are neither an item nor a sequence of them.
    """
    if isinstance(inputs, np.ndarray):
        single = modality == "image" and inputs.ndim in (2, 3)
        return [inputs] if single else list(np.atleast_1d(inputs))
    if isinstance(inputs, (str, bytes, Path)) or _is_pil_image(inputs):
        return [inputs]
    if isinstance(inputs, Iterable) and not isinstance(inputs, Mapping):
        return list(inputs)
    raise InputError(f"found {type(inputs).__name__}, expected one {modality} or a sequence of them")


def _is_pil_image(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)
