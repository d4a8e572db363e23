from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_runtime.doctor.elf import needed_libraries

BASE = 0x1000  # the address of the first byte of the file


def make_library(*names: str) -> bytes:
    """Return the smallest ELF file that is linked to libraries of these names."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    header, segments = 64, 2 * 56
    where = header + segments
    offsets = [strings.index(b"\0" + name.encode() + b"\0") + 1 for name in names]
    entries = [(5, BASE + where), (10, len(strings)), *((1, offset) for offset in offsets), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    size = where + len(strings) + len(dynamic)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, BASE, BASE, size, size, 1)
    table = struct.pack("<IIQQQQQQ", 2, 4, where + len(strings), 0, 0, len(dynamic), len(dynamic), 1)
    start = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    rest = struct.pack("<HHIQQQIHHHHHH", 3, 183, 1, 0, header, 0, 0, 64, 56, 2, 0, 0, 0)
    return start + rest + load + table + strings + dynamic


def test_the_linked_libraries_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.so"
    path.write_bytes(make_library("libnvinfer.so.10", "libc.so.6"))
    assert needed_libraries(path) == ("libnvinfer.so.10", "libc.so.6")


def test_a_library_of_onnxruntime_is_linked_to_the_c_library() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    library = next(Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*.so"))
    assert "libc.so.6" in needed_libraries(library)


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF\x01\x01".ljust(64, b"\0")])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.so"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not an ELF file with a dynamic section"):
        needed_libraries(path)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_gives_names_or_a_value_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    content = bytearray(make_library("libnvinfer.so.10", "libc.so.6"))
    content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "changed.so"
    path.write_bytes(content)
    with suppress(ValueError):
        assert all(isinstance(name, str) for name in needed_libraries(path))
