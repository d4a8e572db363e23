"""Packed shards: `.npz` files of encoded images one after another.

blob [bytes] uint8     the files of the images (PNG, JPEG, WebP ...), one after another
offset [N + 1] int     where each begins, and where the last one ends
label [N] int          positions in `classes`
split [N] int          0 for training, 1 for validation
classes [C] text       the same in every shard of a set; two or more
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile
from PIL import Image

from edgecl.errors import DataError
from edgecl.streams.examples import unreadable
from edgecl_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecl_runtime.preprocess import Preprocessor

SUFFIX = ".npz"

_KINDS = {"blob": "u", "offset": "iu", "label": "iu", "split": "iu", "classes": "U"}
"""The arrays, and which kinds of numpy's types each may have."""

_LAYOUT = f"a packed shard with the arrays {', '.join(_KINDS)}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One file, checked.

    Attributes:
        path: Where it is.
        blob: Encoded images one after another, uint8.
        offset: Where each begins and the last one ends, [N + 1].
        label: Positions in `classes`, int64 [N].
        split: 0 for training, 1 for validation, [N].
        classes: Names of the classes.
    """

    path: Path
    blob: NDArray[np.uint8]
    offset: NDArray[np.int64]
    label: NDArray[np.int64]
    split: NDArray[np.int64]
    classes: tuple[str, ...]

    def prepared(self, preprocessor: Preprocessor) -> Iterator[NDArray[np.uint8]]:
        """Yield the images in their order, as the preprocessor prepares them.

        Raises:
            DataError: One cannot be decoded, or its pixels have no known range.
        """
        for number, (start, stop) in enumerate(pairwise(self.offset.tolist())):
            try:
                with Image.open(io.BytesIO(self.blob[start:stop].tobytes())) as image:
                    image.load()
            except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
                raise self._unusable(number, f"bytes that are no image ({error})") from error
            try:
                yield preprocessor.prepare([image])[0]
            except InputError as error:
                raise self._unusable(number, str(error)) from error

    def _unusable(self, number: int, found: str) -> DataError:
        return DataError.at(
            f"{self.path}, image {number}",
            found=found,
            expected="an encoded image",
            fix="Pack the shard again.",
        )


def shard_paths(path: Path) -> list[Path]:
    """Return the shards that a path means: itself, or those directly inside; none if it is something else."""
    if path.is_dir():
        return sorted(path.glob(f"*{SUFFIX}"))
    return [path] if path.suffix == SUFFIX else []


def read_shards(paths: list[Path]) -> list[Shard]:
    """Return the shards of one set.

    Raises:
        DataError: One cannot be read, has another layout, or other classes than the first.
    """
    shards = [_read(path) for path in paths]
    for shard in shards[1:]:
        if shard.classes != shards[0].classes:
            raise DataError.at(
                shard.path,
                found=f"other classes than in {shards[0].path.name}",
                expected="the same 'classes' in every shard of a folder",
                fix="Move the shards of each set into a folder of their own.",
            )
    return shards


def _read(path: Path) -> Shard:
    arrays = _load(path)
    if foreign := [name for name, kinds in _KINDS.items() if arrays[name].dtype.kind not in kinds]:
        raise _wrong(path, ", ".join(f"{name} of {arrays[name].dtype}" for name in foreign))
    offset, label, split = (arrays[name].astype(np.int64) for name in ("offset", "label", "split"))
    classes = tuple(arrays["classes"].tolist())
    if len(set(classes)) < 2:
        raise _wrong(path, f"{len(set(classes))} class, and two are the least that can be told apart")
    is_sound = (
        arrays["blob"].dtype == np.uint8
        and offset.shape == (len(label) + 1,)
        and split.shape == label.shape
        and len(label) > 0
        and (np.diff(offset) > 0).all()
        and (offset[0], offset[-1]) == (0, len(arrays["blob"]))
        and label.min() >= 0
        and label.max() < len(classes)
        and set(np.unique(split)) <= {0, 1}
    )
    if not is_sound:
        raise _wrong(path, f"{len(label)} labels, {len(offset)} offsets, {len(arrays['blob'])} bytes")
    return Shard(path, arrays["blob"], offset, label, split, classes)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, NpzFile):
                raise ValueError("a single array")
            if missing := sorted(_KINDS.keys() - set(stored.files)):
                raise ValueError(f"no {', '.join(missing)}")
            arrays = {name: np.asarray(stored[name]) for name in _KINDS}
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # zipfile, its decompressors and numpy raise a dozen kinds on damaged bytes
        raise _wrong(path, str(error) or type(error).__name__) from error
    if any(array.ndim != 1 for array in arrays.values()):
        raise _wrong(path, "arrays of several dimensions")
    return arrays


def _wrong(path: Path, found: str) -> DataError:
    return DataError.at(
        path,
        found=found,
        expected=_LAYOUT,
        fix="Pack it as docs/pretraining.md says, or give a folder of images.",
    )
