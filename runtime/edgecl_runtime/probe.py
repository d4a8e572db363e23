"""Inputs for the self-test of a pack: the same on every machine and with every version of numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecl_runtime.preprocess.image import normalise
from edgecl_runtime.preprocess.spec import ImagePreprocessing, Preprocessing, TextPreprocessing
from edgecl_runtime.preprocess.text import pad

__all__ = ["probe_inputs"]

_SHORTEST_TEXT = 8
_LONGEST_TEXT = 32


def probe_inputs(preprocessing: Preprocessing, seeds: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
    """Return the graph inputs of one row per seed: uniform noise as image, random tokens as text.

    Every byte comes from SHAKE-256 of the seed. Texts have 8 to 32 tokens (fewer where `max_tokens` is
    smaller), so that padding is a part of the test.
    """
    if isinstance(preprocessing, ImagePreprocessing):
        return {"pixel_values": normalise([_noise(preprocessing, seed) for seed in seeds], preprocessing)}
    return dict(pad([_tokens(preprocessing, seed) for seed in seeds], pad_id=preprocessing.pad_id))


def _noise(preprocessing: ImagePreprocessing, seed: int) -> npt.NDArray[np.uint8]:
    size = preprocessing.size
    return np.frombuffer(_stream("image", seed, size * size * 3), np.uint8).reshape(size, size, 3)


def _tokens(preprocessing: TextPreprocessing, seed: int) -> npt.NDArray[np.int32]:
    stream = np.frombuffer(_stream("text", seed, 8 * (_LONGEST_TEXT + 1)), "<u8")
    length = _SHORTEST_TEXT + int(stream[0]) % (_LONGEST_TEXT - _SHORTEST_TEXT + 1)
    chosen = stream[1 : 1 + min(length, preprocessing.max_tokens)]
    return np.array([int(value) % preprocessing.vocab_size for value in chosen], np.int32)


def _stream(kind: str, seed: int, size_bytes: int) -> bytes:
    return hashlib.shake_256(f"edgecl probe 1 {kind} {seed}".encode()).digest(size_bytes)
