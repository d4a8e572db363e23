from __future__ import annotations

import gc
from pathlib import Path

import pytest

from edgecl_runtime import mapped

MAPS = Path("/proc/self/maps")


def map_bytes(path: Path, content: bytes) -> memoryview:
    """Write a file and return it mapped, closed again."""
    path.write_bytes(content)
    with path.open("rb") as stream:
        return mapped.map_file(stream.fileno(), len(content))


def test_a_mapped_file_has_its_bytes_after_it_was_closed(tmp_path: Path) -> None:
    assert map_bytes(tmp_path / "a", b"abc" * 5_000) == b"abc" * 5_000


def test_a_mapped_file_is_read_only(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="read-only"):
        map_bytes(tmp_path / "a", b"abc")[0] = 0


def test_a_part_keeps_the_mapping_alive(tmp_path: Path) -> None:
    part = map_bytes(tmp_path / "a", b"abc" * 5_000)[3:6]
    gc.collect()
    assert bytes(part) == b"abc"


@pytest.mark.skipif(not MAPS.is_file(), reason="this system does not show the mappings of a process")
def test_what_nobody_reads_any_more_is_unmapped(tmp_path: Path) -> None:
    view = map_bytes(tmp_path / "a", b"abc")
    assert str(tmp_path / "a") in MAPS.read_text(encoding="utf-8")
    view.release()
    del view
    gc.collect()
    assert str(tmp_path / "a") not in MAPS.read_text(encoding="utf-8")


def test_nothing_is_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot map 0 bytes"):
        map_bytes(tmp_path / "a", b"")


def test_what_cannot_be_mapped_says_why() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        mapped.map_file(-1, 3)


def test_without_a_c_library_python_maps_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_LIBC", None)
    view = map_bytes(tmp_path / "a", b"abc")
    assert (bytes(view), view.readonly) == (b"abc", True)
