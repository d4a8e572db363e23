"""Images: paths, PIL images and uint8 arrays to `pixel_values`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt

from edgecl_runtime.errors import EdgeclRuntimeError, InputError
from edgecl_runtime.extras import import_extra
from edgecl_runtime.preprocess.spec import ImagePreprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImagePreprocessor", "normalise"]

Pixels = npt.NDArray[np.uint8]

_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


class ImagePreprocessor:
    """The `Preprocessor` of image backbones. Pillow is imported when an item needs decoding or resizing."""

    def __init__(self, spec: ImagePreprocessing) -> None:
        self._spec = spec

    def prepare(self, items: Sequence[object]) -> list[Pixels]:
        """Return uint8 [S, S, 3] per item: a path, a PIL image, or a uint8 array [H, W, 3] or [H, W].

        An array of exactly [S, S, 3] or [S, S] is taken as it is. Files and PIL images are turned upright by
        their EXIF orientation; transparency is dropped; 16-bit grey values are scaled to 8 bits.

        Raises:
            InputError: an item is of another kind, or cannot be read; the message names the file.
            MissingExtraError: Pillow is needed and not installed.
        """
        return [self._prepare(item) for item in items]

    def batch(self, prepared: Sequence[Pixels]) -> dict[str, npt.NDArray[Any]]:
        """Return {"pixel_values": float32 [B, 3, S, S]} of prepared items."""
        return {"pixel_values": normalise(prepared, self._spec)}

    def _prepare(self, item: object) -> Pixels:
        if isinstance(item, np.ndarray):
            pixels = _three_channels(item)
            size = self._spec.size
            return pixels if pixels.shape == (size, size, 3) else _resized(_from_array(pixels), self._spec)
        if isinstance(item, (str, Path)):
            return _prepare_file(Path(item), self._spec)
        if _is_pil_image(item):
            return _prepare_image(item, self._spec, name="PIL image")
        raise InputError(
            f"an image cannot be a {type(item).__name__}; pass a path, a PIL image, "
            "or a uint8 array [height, width, 3] or [height, width]"
        )


def normalise(prepared: Sequence[Pixels], spec: ImagePreprocessing) -> npt.NDArray[np.float32]:
    """Return float32 [B, 3, S, S]: `(x / 255 - mean) / std` of B images uint8 [S, S, 3].

    The 256 values of a channel are computed once in float64 and looked up, so that every machine gives the
    same bits.
    """
    levels = np.arange(256, dtype=np.float64) / 255
    result = np.empty((len(prepared), 3, spec.size, spec.size), np.float32)
    for channel, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True)):
        table = ((levels - mean) / std).astype(np.float32)
        for row, pixels in enumerate(prepared):
            np.take(table, pixels[:, :, channel], out=result[row, channel], mode="clip")
    return result


def _is_pil_image(item: object) -> TypeGuard[Image]:
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(item).__mro__)


def _three_channels(array: npt.NDArray[Any]) -> Pixels:
    shape = list(array.shape)
    if array.dtype != np.uint8:
        hint = "pass uint8 0..255"
        if np.issubdtype(array.dtype, np.floating):
            hint += "; for values 0..1: (image * 255).round().astype(np.uint8)"
        raise InputError(f"image array {shape}: found {array.dtype}, expected uint8; {hint}")
    if array.size == 0:
        raise InputError(f"image array {shape}: found no pixels, expected [height, width, 3]")
    if array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim == 3 and shape[2] == 3:
        return array
    hint = "pass one image as [height, width, 3] (RGB) or [height, width] (grey)"
    if array.ndim == 3 and shape[0] == 3:
        hint = "the channels are first: pass image.transpose(1, 2, 0)"
    elif array.ndim == 3 and shape[2] == 4:
        hint = "drop the transparency: pass image[:, :, :3]"
    elif array.ndim == 3 and shape[2] == 1:
        hint = "pass a grey image as image[:, :, 0]"
    raise InputError(f"image array {shape}: expected [height, width, 3]; {hint}")


def _from_array(pixels: Pixels) -> Image:
    image: Image = import_extra("PIL.Image", extras=("image",)).fromarray(np.ascontiguousarray(pixels))
    return image


def _prepare_file(path: Path, spec: ImagePreprocessing) -> Pixels:
    pillow = import_extra("PIL.Image", extras=("image",))
    try:
        is_file = path.is_file()
    except OSError:  # a text that is longer than a name may be
        is_file = False
    if not is_file:
        raise InputError(f"{path}: found no file, expected an image")
    try:
        opened = pillow.open(path)
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise InputError(f"{path}: cannot be read as an image ({error})") from error
    with opened as image:
        return _prepare_image(image, spec, name=str(path))


def _prepare_image(image: Image, spec: ImagePreprocessing, *, name: str) -> Pixels:
    operations = import_extra("PIL.ImageOps", extras=("image",))
    try:
        return _resized(_rgb(operations.exif_transpose(image)), spec)
    except EdgeclRuntimeError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise InputError(f"{name}: cannot be read as an image ({error})") from error


def _rgb(image: Image) -> Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        return _from_array(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        raise InputError("an image of float pixels has no known range; scale it to 8 bits first")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _eight_bits(values: npt.NDArray[Any]) -> Pixels:
    wide = values.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() > 65_535):
        raise InputError("an image of 32-bit pixels has no known range; scale it to 8 bits first")
    return ((wide * 255 + 32_767) // 65_535).astype(np.uint8)


def _resized(image: Image, spec: ImagePreprocessing) -> Pixels:
    pillow = import_extra("PIL.Image", extras=("image",))
    resampling = pillow.Resampling[spec.interpolation.upper()]
    box = (0.0, 0.0, float(image.width), float(image.height))
    if spec.resize == "shortest_edge":
        box = _centre_box(image.width, image.height, spec)
    resized = image.resize((spec.size, spec.size), resampling, box=box)
    return np.array(resized, dtype=np.uint8)


def _centre_box(width: int, height: int, spec: ImagePreprocessing) -> tuple[float, float, float, float]:
    """Return the part of the source that resizing the shorter edge and cutting the centre would keep.

    Resizing that part alone gives the same pixels, and a very long image costs no memory.
    """
    shorter = min(width, height)
    across = [int(spec.resize_to * edge / shorter) for edge in (width, height)]
    starts = [(edge - spec.size) // 2 for edge in across]
    scales = [width / across[0], height / across[1]]
    left, top = (start * scale for start, scale in zip(starts, scales, strict=True))
    right, bottom = ((start + spec.size) * scale for start, scale in zip(starts, scales, strict=True))
    return left, top, min(right, float(width)), min(bottom, float(height))
