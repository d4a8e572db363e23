"""Writing packs: equal content gives equal bytes, and what is written here is what the reader takes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecl_runtime.durable import write_durably
from edgecl_runtime.errors import InputError
from edgecl_runtime.manifest import NO_DIGEST, PackManifest, TensorEntry
from edgecl_runtime.pack_layout import (
    DIGITS,
    FILE_TYPES,
    LENGTH_BYTES,
    MAX_HEADER_BYTES,
    PREFIX,
    PROBE_FEATURES,
    consistent_shapes,
    packed,
    shown_shape,
    unpacked,
)
from edgecl_runtime.strict_json import StrictJsonError, parse_object
from edgecl_runtime.tensors import STORED_TYPES, TASK_TENSORS, Array, TaskTensors, is_finite

__all__ = ["encode_pack", "write_pack"]


def encode_pack(
    manifest: PackManifest,
    tensors: TaskTensors,
    probe_features: npt.NDArray[np.float32],
    *,
    int8: bool = False,
) -> bytes:
    """Return the bytes of a pack; equal arguments give equal bytes.

    The tensors are stored in the type they have: round them first (`TaskTensors.rounded`). The tensor table, the
    format version and both digests of `manifest` are filled in here.

    Args:
        manifest: What the pack says about itself.
        tensors: The tensors of the task.
        probe_features: float32 [S, D], one row per seed of the probe.
        int8: Store prefixes and adapters in int8; they must have been rounded to "I8".

    Raises:
        InputError: a value of the manifest, a shape or a type is wrong, a tensor is not finite, or the
            manifest is too long (the header may have 256,000 bytes).
    """
    from safetensors.numpy import save  # only the writer needs it

    _check_arrays(manifest, tensors, probe_features)
    arrays = packed(tensors, int8=int8)
    if int8:
        _check_rounding(tensors, arrays)
    arrays[PROBE_FEATURES] = np.ascontiguousarray(probe_features)
    table = {name: TensorEntry(_stored_type(array), tuple(array.shape)) for name, array in arrays.items()}
    unsigned = replace(
        manifest,
        tensors=table,
        tensors_sha256=NO_DIGEST,
        header_sha256=NO_DIGEST,
        format_version=2 if int8 else 1,
    )
    PackManifest.from_json(unsigned.to_json())
    data = _split(save(arrays, metadata={"edgecl": _manifest_text(unsigned)}))[1]
    unsigned = replace(unsigned, tensors_sha256=hashlib.sha256(data).hexdigest())
    raw = save(arrays, metadata={"edgecl": _manifest_text(unsigned)})
    header, data = _split(raw)
    _check_own_header(header)
    digits = hashlib.sha256(raw[: LENGTH_BYTES + len(header)]).hexdigest().encode()
    return raw[:LENGTH_BYTES] + header[: DIGITS.start] + digits + header[DIGITS.stop :] + data


def write_pack(
    path: Path | str,
    manifest: PackManifest,
    tensors: TaskTensors,
    probe_features: npt.NDArray[np.float32],
    *,
    int8: bool = False,
) -> Path:
    """Write a pack durably and return its path; the arguments are those of `encode_pack`.

    Raises:
        InputError: see `encode_pack`.
        OSError: the file could not be written; what was there before is untouched.
    """
    target = Path(path)
    write_durably(target, encode_pack(manifest, tensors, probe_features, int8=int8))
    return target


def _check_arrays(manifest: PackManifest, tensors: TaskTensors, probe_features: Array) -> None:
    shape = (len(manifest.probe.seeds), tensors.head_weight.shape[-1])
    if probe_features.dtype != np.float32 or probe_features.shape != shape or not is_finite(probe_features):
        raise InputError(
            f"{PROBE_FEATURES}: found {probe_features.dtype} {list(probe_features.shape)}, "
            f"expected finite float32 {list(shape)}"
        )
    for name, array in tensors.items():
        if array.dtype not in STORED_TYPES.values():
            raise InputError(
                f"{name}: found {array.dtype}, expected float16 or float32; see TaskTensors.rounded"
            )
        if not is_finite(array):
            raise InputError(f"{name}: found NaN or Infinity; train the task again")
    shapes = {name: tuple(array.shape) for name, array in tensors.items()}
    expected = consistent_shapes(shapes, classes=len(manifest.labels))
    for name in TASK_TENSORS:
        if shapes[name] != expected.get(name):
            raise InputError(
                f"{name}: found shape {list(shapes[name])}, expected {shown_shape(expected.get(name))}"
            )


def _check_rounding(tensors: TaskTensors, arrays: Mapping[str, Array]) -> None:
    for (name, array), (_, stored) in zip(tensors.items(), unpacked(arrays).items(), strict=True):
        if not np.array_equal(array, stored):
            raise InputError(
                f'{name}: found values that int8 cannot say, expected those of TaskTensors.rounded("I8")'
            )


def _stored_type(array: Array) -> str:
    return next(name for name, dtype in FILE_TYPES.items() if dtype == array.dtype)


def _manifest_text(manifest: PackManifest) -> str:
    try:
        return manifest.to_text()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"manifest: found a value that is not JSON ({error}), expected plain JSON values"
        ) from error


def _split(raw: bytes) -> tuple[bytes, bytes]:
    end = LENGTH_BYTES + int.from_bytes(raw[:LENGTH_BYTES], "little")
    return raw[LENGTH_BYTES:end], raw[end:]


def _check_own_header(header: bytes) -> None:
    if len(header) > MAX_HEADER_BYTES:
        raise InputError(
            f"manifest: found a header of {len(header)} bytes, expected at most {MAX_HEADER_BYTES}; "
            "shorten the labels or the provenance"
        )
    if not header.startswith(PREFIX):
        raise InputError(
            f"safetensors wrote {header[:64]!r}, expected {PREFIX!r}; use a tested version of it"
        )
    try:
        parse_object(header)
    except StrictJsonError as error:
        raise InputError(f"manifest: found {error}, which no reader accepts") from error
