"""Images with labels in one `.npz` file.

    images [N, H, W, 3] or [N, H, W] uint8      labels [N] integers or text      classes [C] text, optional

or, with a test part of its own, `train_images`, `train_labels`, `test_images` and `test_labels`. Grey images
become RGB.
Integer labels are positions in `classes` where that is given, and become their decimal text where it is not.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from edgecl.errors import DataError
from edgecl.streams.examples import (
    Examples,
    Image,
    Item,
    Source,
    chosen_classes,
    keep_classes,
    normal_label,
    some_of,
    unreadable,
)

Array = np.ndarray[Any, np.dtype[Any]]

_WHOLE = ("images", "labels")
_PARTED = ("train_images", "train_labels", "test_images", "test_labels")
_LAYOUT = f"the arrays {', '.join(_WHOLE)} or {', '.join(_PARTED)}, and perhaps classes"


def read_arrays(path: Path, *, classes: Collection[str] | None) -> Source:
    """Return the images of an `.npz` file.

    Raises:
        DataError: The file cannot be read, an array is missing or of another kind, or a class is unknown.
    """
    arrays = _load(path)
    prefixes = ("",) if set(arrays) - {"classes"} == set(_WHOLE) else ("train_", "test_")
    if len(prefixes) == 2 and set(arrays) - {"classes"} != set(_PARTED):
        raise DataError.at(
            path,
            found=f"the arrays {some_of(sorted(arrays), limit=10) or '(none)'}",
            expected=_LAYOUT,
            fix="Save it again under these names with numpy.savez_compressed.",
        )
    names = _class_names(path, arrays.get("classes"))
    parts = [_examples(path, arrays, prefix, names) for prefix in prefixes]
    wanted = chosen_classes((label for part in parts for label in part.labels), classes, where=path)
    kept = [keep_classes(part, wanted) for part in parts]
    return Source(path, "image", kept[0], kept[1] if len(kept) == 2 else None)


def _load(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, NpzFile):
                raise ValueError("a single array")
            return {name: _array(stored, name) for name in stored.files}
    except OSError as error:
        raise unreadable(path, error) from error
    except MemoryError as error:
        raise DataError.at(
            path,
            found=f"arrays that do not fit in memory ({error})",
            expected="images that do",
            fix="Make the images smaller or fewer, or name a folder of image files.",
        ) from error
    except Exception as error:  # zipfile, its decompressors and numpy raise a dozen kinds on damaged bytes
        raise DataError.at(
            path,
            found=f"no plain .npz file ({str(error) or type(error).__name__})",
            expected=_LAYOUT,
            fix="Save it again with numpy.savez_compressed, without objects.",
        ) from error


def _array(stored: NpzFile, name: str) -> Array:
    array = stored[name]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name!r} is no array")  # numpy hands out the bytes of what is none
    if array.dtype.kind == "U":
        "".join(array.ravel().tolist()).encode()  # refuses code points that are no text
    return array


def _class_names(path: Path, classes: Array | None) -> list[str] | None:
    if classes is None:
        return None
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise _wrong(path, "classes", classes, expected="text [C]")
    names = [normal_label(name) for name in classes.tolist()]
    if len(set(names)) != len(names):
        raise DataError.at(
            path, found="a class twice in 'classes'", expected="each once", fix="Rename one of them."
        )
    return names


def _examples(path: Path, arrays: dict[str, Array], prefix: str, names: list[str] | None) -> Examples:
    images, labels = arrays[f"{prefix}images"], arrays[f"{prefix}labels"]
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)):
        raise _wrong(path, f"{prefix}images", images, expected="uint8 [N, H, W, 3] or [N, H, W]")
    if images.size == 0:
        raise _wrong(path, f"{prefix}images", images, expected="at least one image")
    if labels.shape != images.shape[:1]:
        raise _wrong(path, f"{prefix}labels", labels, expected=f"one label for each of {len(images)} images")
    items: list[Item] = [_rgb(image) for image in images]
    return Examples(tuple(items), _labels(path, f"{prefix}labels", labels, names))


def _labels(path: Path, key: str, labels: Array, names: list[str] | None) -> tuple[str, ...]:
    if labels.dtype.kind == "U":
        if not np.all(np.char.str_len(labels)):
            raise _wrong(path, key, labels, expected="no empty label")
        return tuple(normal_label(label) for label in labels.tolist())
    if labels.dtype.kind not in "iu":
        raise _wrong(path, key, labels, expected="integers or text")
    if names is None:
        return tuple(map(str, labels.tolist()))
    if labels.min() < 0 or labels.max() >= len(names):
        raise DataError.at(
            f"{path}, {key}",
            found=f"labels from {labels.min()} to {labels.max()}",
            expected=f"positions in 'classes', 0 to {len(names) - 1}",
            fix="Correct the labels or complete 'classes'.",
        )
    return tuple(names[label] for label in labels.tolist())


def _rgb(image: Image) -> Image:
    """Return [H, W, 3] from [H, W, 3] or [H, W]."""
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def _wrong(path: Path, key: str, array: Array, *, expected: str) -> DataError:
    return DataError.at(
        f"{path}, {key}",
        found=f"{array.dtype} {list(array.shape)}",
        expected=expected,
        fix="Convert the array and save the file again.",
    )
