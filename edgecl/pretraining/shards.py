"""Packed shards: `.npz` files of encoded images one after another.

blob [bytes] uint8     the files of the images (PNG, JPEG, WebP ...), one after another
offset [N + 1]         where each begins, and where the last one ends
label [N]              positions in `classes`
split [N]              0 for training, 1 for validation
classes [C] text       the same in every shard of a set
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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIX = ".npz"

_ARRAYS = ("blob", "offset", "label", "split", "classes")
_LAYOUT = f"a packed shard with the arrays {', '.join(_ARRAYS)}"


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

    def images(self) -> Iterator[Image.Image]:
        """Yield the images in their order.

        Raises:
            DataError: One cannot be decoded.
        """
        for number, (start, stop) in enumerate(pairwise(self.offset.tolist())):
            try:
                with Image.open(io.BytesIO(self.blob[start:stop].tobytes())) as image:
                    image.load()
            except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
                raise DataError.at(
                    f"{self.path}, image {number}",
                    found=f"bytes that are no image ({error})",
                    expected="an encoded image",
                    fix="Pack the shard again.",
                ) from error
            yield image


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
    offset, label, split = (arrays[name].astype(np.int64) for name in ("offset", "label", "split"))
    classes = tuple(arrays["classes"].tolist())
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
            if missing := sorted(set(_ARRAYS) - set(stored.files)):
                raise ValueError(f"no {', '.join(missing)}")
            arrays = {name: np.asarray(stored[name]) for name in _ARRAYS}
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
