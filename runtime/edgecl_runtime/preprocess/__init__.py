"""From images and texts to the inputs of the graph: written once, used in training and on the device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from edgecl_runtime.preprocess.image import ImagePreprocessor
from edgecl_runtime.preprocess.spec import (
    ImagePreprocessing,
    Preprocessing,
    TextPreprocessing,
    parse_preprocessing,
)
from edgecl_runtime.preprocess.text import TextPreprocessor

__all__ = [
    "ImagePreprocessing",
    "ImagePreprocessor",
    "Preprocessing",
    "Preprocessor",
    "TextPreprocessing",
    "TextPreprocessor",
    "build_preprocessor",
    "parse_preprocessing",
]


class Preprocessor(Protocol):
    """Turns items into graph inputs, in two steps so that the first can be cached."""

    def prepare(self, items: Sequence[object]) -> list[npt.NDArray[Any]]:
        """Return one compact array per item: image uint8 [S, S, 3], text int32 [N] token ids.

        Raises:
            InputError: an item is of another kind, or cannot be read.
            MissingExtraError: Pillow or tokenizers is needed and not installed.
        """

    def batch(self, prepared: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return the graph inputs of B prepared items.

        Images: pixel_values float32 [B, 3, S, S]. Texts: input_ids and attention_mask int64 [B, N], padded to
        the longest of the batch.
        """


def build_preprocessor(spec: Preprocessing, *, folder: Path | str) -> Preprocessor:
    """Return the preprocessor of a spec; `folder` holds the tokenizer.json of a text backbone.

    Raises:
        BundleFormatError: tokenizer.json is missing, unreadable, or does not fit the spec.
        MissingExtraError: tokenizers is needed and not installed.
    """
    if isinstance(spec, ImagePreprocessing):
        return ImagePreprocessor(spec)
    return TextPreprocessor(spec, tokenizer_path=Path(folder) / "tokenizer.json")
