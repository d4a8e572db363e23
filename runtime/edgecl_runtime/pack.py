"""Packs: one file per task, in the safetensors layout. docs/pack-format.md specifies it.

The reader trusts nothing: it compares sizes before it allocates, digests before it interprets, and maps the
tensors instead of copying them. Whatever the bytes, the answer is a `TaskPack` or a `PackError`.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecl_runtime.bundle import Bundle
from edgecl_runtime.errors import (
    FieldError,
    PackDigestError,
    PackFormatError,
    PackMismatchError,
    PackTooNewError,
)
from edgecl_runtime.int8 import LARGEST_SCALE, SCALE_SUFFIX
from edgecl_runtime.manifest import FORMAT_VERSION, PackManifest, TensorEntry
from edgecl_runtime.mapped import map_file
from edgecl_runtime.pack_layout import (
    DIGITS,
    FILE_TYPES,
    LENGTH_BYTES,
    MAX_HEADER_BYTES,
    NO_DIGITS,
    PACK_SUFFIX,
    PREFIX,
    PROBE_FEATURES,
    allowed_types,
    consistent_shapes,
    shown_shape,
    tensor_names,
    unpacked,
)
from edgecl_runtime.pack_writer import encode_pack, write_pack
from edgecl_runtime.strict_json import StrictJsonError, parse_object
from edgecl_runtime.tensors import Array, TaskTensors, is_finite
from edgecl_runtime.versions import check_age

__all__ = ["PACK_SUFFIX", "TaskPack", "encode_pack", "parse_pack", "read_pack", "write_pack"]

_ALIGNMENT = 8
_MAX_TENSORS = 4_096
_MAX_ELEMENTS = 2**40


@dataclass(frozen=True, slots=True, eq=False)
class TaskPack:
    """One task, as it lies in its file.

    Attributes:
        manifest: What the pack says about itself.
        stored: Read-only views of the stored bytes, by the names they have in the file.
        probe_features: float32 [S, D], the features measured at export, one row per seed of the probe.
        path: The file, or the name that was given for bytes.
        size_bytes: The size of the whole file.
    """

    manifest: PackManifest
    stored: Mapping[str, Array]
    probe_features: npt.NDArray[np.float32]
    path: Path
    size_bytes: int

    @property
    def tensors(self) -> TaskTensors:
        """The tensors of the task: views of the stored bytes, but new float32 arrays for what is stored in int8."""
        return unpacked(self.stored)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_pack(path: Path | str, *, bundle: Bundle | None = None) -> TaskPack:
    """Return the pack in a file, mapped into memory; with a bundle, only if it fits.

    The file must not be changed in place while the pack is in use; replacing it by renaming is fine.

    Raises:
        PackFormatError: the file cannot be read, or is not a pack.
        PackTooNewError: it needs a newer edgecl-runtime.
        PackDigestError: its bytes were changed.
        PackMismatchError: it was built for another backbone than the bundle's.
    """
    location = Path(path)
    return parse_pack(_map_file(location), location, bundle=bundle)


def parse_pack(buffer: bytes | memoryview, name: Path | str, *, bundle: Bundle | None = None) -> TaskPack:
    """Return the pack in a buffer of bytes; `name` stands in messages and in `TaskPack.path`.

    Raises:
        PackError: see `read_pack`.
    """
    where = str(name)
    view = memoryview(buffer).cast("B").toreadonly()
    size_bytes = len(view)
    header_size = _header_size(view[:LENGTH_BYTES].tobytes(), size_bytes, where)
    header = view[LENGTH_BYTES : LENGTH_BYTES + header_size].tobytes()
    data = view[LENGTH_BYTES + header_size :]
    _check_header_digest(view[:LENGTH_BYTES].tobytes(), header, where)
    table = _parse_json(header, f"{where}: header")
    manifest = _parse_manifest(table.pop("__metadata__"), where)
    entries = _parse_table(table, len(data), manifest.format_version, where)
    _check_shapes(manifest, entries, where)
    if bundle is not None:
        _check_fit(manifest, bundle, where)
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.tensors_sha256:
        raise PackDigestError(f"{where}: tensors", found=found, expected=manifest.tensors_sha256)
    arrays = {entry.name: _array(data, entry, where) for entry in entries}
    probe_features = arrays.pop(PROBE_FEATURES)
    return TaskPack(manifest, arrays, probe_features, Path(name), size_bytes)


def _map_file(path: Path) -> memoryview:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PackFormatError(str(path), found="no regular file", expected="a pack")
        with path.open("rb") as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            _header_size(stream.read(LENGTH_BYTES), size_bytes, str(path))
            return map_file(stream.fileno(), size_bytes)
    except (OSError, ValueError) as error:
        raise PackFormatError(str(path), found=f"no readable file ({error})", expected="a pack") from error


def _header_size(length: bytes, file_size: int, where: str) -> int:
    size = int.from_bytes(length, "little")
    largest = min(MAX_HEADER_BYTES, file_size - LENGTH_BYTES)
    if len(length) < LENGTH_BYTES or not DIGITS.stop <= size <= largest or size % _ALIGNMENT:
        raise PackFormatError(
            where,
            found=f"a header of {size} bytes in a file of {file_size}",
            expected=f"a multiple of {_ALIGNMENT} from {DIGITS.stop} to {largest}",
        )
    return size


def _check_header_digest(length: bytes, header: bytes, where: str) -> None:
    if not header.startswith(PREFIX):
        raise PackFormatError(
            f"{where}: header", found=repr(header[:16]), expected="the first bytes of a pack"
        )
    written = header[DIGITS].decode("latin-1")
    if not _is_digest(written):
        raise PackFormatError(
            f"{where}: header_sha256", found=ascii(written), expected="64 lower-case hex digits"
        )
    zeroed = header[: DIGITS.start] + NO_DIGITS + header[DIGITS.stop :]
    found = hashlib.sha256(length + zeroed).hexdigest()
    if found != written:
        raise PackDigestError(f"{where}: header", found=found, expected=written)


def _is_digest(digits: str) -> bool:
    return set(digits) <= set("0123456789abcdef")


def _parse_json(raw: bytes, where: str) -> dict[str, Any]:
    try:
        return parse_object(raw)
    except StrictJsonError as error:
        raise PackFormatError(where, found=str(error), expected="one JSON object") from error


def _parse_manifest(metadata: object, where: str) -> PackManifest:
    content = metadata.get("edgecl") if isinstance(metadata, dict) and len(metadata) == 1 else None
    if not isinstance(content, str):
        raise PackFormatError(
            f"{where}: metadata", found="other keys", expected="the manifest alone, under edgecl"
        )
    value = _parse_json(content.encode("utf-8"), f"{where}: manifest")
    check_age(value, where, newest=FORMAT_VERSION, error=PackTooNewError)
    try:
        return PackManifest.from_json(value)
    except FieldError as error:
        raise PackFormatError(
            f"{where}: {error.where}", found=error.found, expected=error.expected
        ) from error


def _parse_table(table: Mapping[str, Any], data_size: int, format_version: int, where: str) -> list[_Entry]:
    if len(table) > _MAX_TENSORS:
        raise PackFormatError(where, found=f"{len(table)} tensors", expected=f"at most {_MAX_TENSORS}")
    names = tensor_names(format_version)
    if set(table) != set(names):
        odd = sorted(set(table) ^ set(names))[0]
        raise PackFormatError(
            f"{where}: tensor {odd[:64]!a}",
            found="it" if odd in table else "nothing",
            expected=", ".join(names),
        )
    entries = sorted(
        (_parse_entry(name, table[name], where) for name in names), key=lambda entry: (entry.begin, entry.end)
    )
    position = 0
    for entry in entries:
        if entry.begin != position:
            raise PackFormatError(
                f"{where}: tensor {entry.name}", found=f"offset {entry.begin}", expected=f"offset {position}"
            )
        position = entry.end
    if position != data_size:
        raise PackFormatError(where, found=f"{data_size} bytes of tensors", expected=f"{position}")
    return entries


def _parse_entry(name: str, value: object, where: str) -> _Entry:
    place = f"{where}: tensor {name}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise PackFormatError(place, found="other keys", expected="dtype, shape and data_offsets")
    try:
        described = TensorEntry.from_json({"dtype": value["dtype"], "shape": value["shape"]}, place)
    except FieldError as error:
        raise PackFormatError(error.where, found=error.found, expected=error.expected) from error
    offsets = value["data_offsets"]
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or any(type(offset) is not int for offset in offsets)
    ):
        raise PackFormatError(place, found="other data_offsets", expected="two integers")
    begin, end = offsets
    itemsize = FILE_TYPES[described.dtype].itemsize
    _check_extent(described.shape, begin, end, itemsize, place)
    return _Entry(name, described.dtype, described.shape, begin, end)


def _check_extent(shape: tuple[int, ...], begin: int, end: int, itemsize: int, place: str) -> None:
    # numpy multiplies the sizes of empty arrays too, so the product without zeros is what must not overflow.
    if math.prod(max(size, 1) for size in shape) > _MAX_ELEMENTS:
        raise PackFormatError(
            place, found=f"shape {list(shape)}", expected=f"at most {_MAX_ELEMENTS} elements"
        )
    wanted = math.prod(shape) * itemsize
    if begin < 0 or end - begin != wanted or begin % itemsize:
        raise PackFormatError(
            place, found=f"data_offsets {begin} to {end}", expected=f"{wanted} bytes, aligned to {itemsize}"
        )


def _check_shapes(manifest: PackManifest, entries: list[_Entry], where: str) -> None:
    table = {entry.name: TensorEntry(entry.dtype, entry.shape) for entry in entries}
    if dict(manifest.tensors) != table:
        raise PackFormatError(
            f"{where}: manifest.tensors", found="another table", expected="that of the header"
        )
    for name, entry in table.items():
        types = allowed_types(name, manifest.format_version)
        if entry.dtype not in types:
            raise PackFormatError(f"{where}: tensor {name}", found=entry.dtype, expected=" or ".join(types))
    shapes = {name: entry.shape for name, entry in table.items()}
    expected = consistent_shapes(shapes, classes=len(manifest.labels))
    expected[PROBE_FEATURES] = (len(manifest.probe.seeds), *shapes["head_weight"][1:])
    for name, shape in shapes.items():
        if shape != expected.get(name):
            raise PackFormatError(
                f"{where}: tensor {name}",
                found=f"shape {list(shape)}",
                expected=shown_shape(expected.get(name)),
            )


def _check_fit(manifest: PackManifest, bundle: Bundle, where: str) -> None:
    layers, heads, _, head_dim = manifest.tensors["prefix_k"].shape
    width = manifest.tensors["adapter_down"].shape[1]
    comparisons = (
        ("backbone", manifest.fingerprint, bundle.fingerprint),
        ("attention", manifest.attention, bundle.attention),
        ("layers", str(layers), str(bundle.dimensions.layers)),
        ("width", str(width), str(bundle.dimensions.width)),
        ("heads", str(heads), str(bundle.dimensions.heads)),
        ("head_dim", str(head_dim), str(bundle.dimensions.head_dim)),
    )
    for what, found, expected in comparisons:
        if found != expected:
            raise PackMismatchError(
                where,
                found=f"{what} {found[:12]}",
                expected=f"{what} {expected[:12]}",
                task=manifest.task,
                bundle=str(bundle.path),
            )


def _array(data: memoryview, entry: _Entry, where: str) -> Array:
    array: Array = np.frombuffer(data[entry.begin : entry.end], FILE_TYPES[entry.dtype]).reshape(entry.shape)
    place = f"{where}: tensor {entry.name}"
    if array.dtype != np.int8 and not is_finite(array):
        raise PackFormatError(place, found="NaN or Infinity", expected="finite values")
    if entry.name.endswith(SCALE_SUFFIX) and not _are_scales(array):
        raise PackFormatError(place, found="a scale out of range", expected="scales from 0 to 2^120")
    return array


def _are_scales(array: Array) -> bool:
    return not array.size or bool(array.min() >= 0 and array.max() <= LARGEST_SCALE)
