"""Items of the largest size that a backbone reads."""

from __future__ import annotations

import numpy as np

from edgecl_runtime.preprocess.spec import ImagePreprocessing, Preprocessing

__all__ = ["make_items"]


def make_items(preprocessing: Preprocessing, rows: int) -> list[object]:
    """Return random images that need no resizing, or texts of as many words as fit."""
    if not isinstance(preprocessing, ImagePreprocessing):
        return ["word " * preprocessing.max_tokens] * rows
    shape = (rows, preprocessing.size, preprocessing.size, 3)
    return list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
