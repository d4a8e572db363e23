"""Which shared libraries an ELF file is linked to, read from its dynamic section."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["needed_libraries"]

_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian: every machine that onnxruntime has wheels for
_LOAD, _DYNAMIC = 1, 2
_END, _NEEDED, _STRINGS, _STRINGS_SIZE = 0, 1, 5, 10
_MAX_BYTES = 1 << 20
_MAX_OFFSET = 1 << 40


class _Segment(NamedTuple):
    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int
    memory_size: int
    alignment: int


def needed_libraries(path: Path) -> tuple[str, ...]:
    """Return the names of the libraries that a shared library or program is linked to.

    Raises:
        ValueError: the file is not a 64-bit little-endian ELF file with a dynamic section.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        try:
            return _needed(stream)
        except (struct.error, StopIteration, KeyError) as error:
            raise ValueError(f"{path}: not an ELF file with a dynamic section") from error


def _needed(stream: BinaryIO) -> tuple[str, ...]:
    header = stream.read(64)
    if not header.startswith(_MAGIC):
        raise KeyError("magic")
    (table,) = struct.unpack_from("<Q", header, 32)
    entry_size, count = struct.unpack_from("<HH", header, 54)
    rows = _read(stream, table, entry_size * count)
    segments = [
        _Segment(*struct.unpack_from("<IIQQQQQQ", rows, entry_size * index)) for index in range(count)
    ]
    dynamic = next(segment for segment in segments if segment.kind == _DYNAMIC)
    entries = []
    for tag, value in struct.iter_unpack("<QQ", _read(stream, dynamic.offset, dynamic.size)):
        if tag == _END:
            break
        entries.append((tag, value))
    named = dict(entries)
    strings = _read(stream, _offset(segments, named[_STRINGS]), named[_STRINGS_SIZE])
    return tuple(_text(strings, value) for tag, value in entries if tag == _NEEDED)


def _offset(segments: list[_Segment], address: int) -> int:
    """Return where in the file an address of memory is stored."""
    home = next(
        segment
        for segment in segments
        if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size
    )
    return address - home.address + home.offset


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    if size > _MAX_BYTES or offset > _MAX_OFFSET:
        raise KeyError("size")
    stream.seek(offset)
    return stream.read(size)


def _text(strings: bytes, start: int) -> str:
    return strings[start : strings.index(b"\0", start)].decode("ascii")
