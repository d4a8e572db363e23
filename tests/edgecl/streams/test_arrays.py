from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecl.errors import DataError
from edgecl.streams.arrays import read_arrays
from tests.edgecl.streams.factories import make_npz

GREY = np.arange(60, dtype=np.int64).astype(np.uint8).reshape(3, 4, 5)
TWO = np.array([0, 1, 0])


def test_images_and_integer_labels_are_read(tmp_path: Path) -> None:
    source = read_arrays(make_npz(tmp_path / "a.npz"), classes=None)
    assert source.train.labels == ("0", "1", "0", "1", "0", "1")
    assert source.test is None
    assert np.asarray(source.train.items[0]).shape == (4, 5, 3)


def test_grey_images_become_rgb(tmp_path: Path) -> None:
    source = read_arrays(make_npz(tmp_path / "a.npz", images=GREY, labels=TWO), classes=None)
    image = np.asarray(source.train.items[1])
    assert image.shape == (4, 5, 3)
    assert all(np.array_equal(image[:, :, channel], GREY[1]) for channel in range(3))


def test_classes_name_integer_labels(tmp_path: Path) -> None:
    path = make_npz(tmp_path / "a.npz", images=GREY, labels=TWO, classes=np.array(["dent", "crack"]))
    assert read_arrays(path, classes=None).train.labels == ("dent", "crack", "dent")


def test_text_labels_are_taken_as_they_are(tmp_path: Path) -> None:
    path = make_npz(tmp_path / "a.npz", images=GREY, labels=np.array(["x", "y", "z"]))
    assert read_arrays(path, classes=["x", "z"]).train.labels == ("x", "z")


def test_parts_of_their_own_are_kept_apart(tmp_path: Path) -> None:
    path = make_npz(
        tmp_path / "a.npz",
        train_images=GREY,
        train_labels=TWO,
        test_images=GREY[:2],
        test_labels=TWO[:2],
    )
    source = read_arrays(path, classes=None)
    assert source.test is not None
    assert (source.train.labels, source.test.labels) == (("0", "1", "0"), ("0", "1"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GREY, "y": TWO}, r"found the arrays x, y, expected the arrays images, labels or train_images"),
        ({"images": GREY, "labels": TWO, "extra": TWO}, "found the arrays extra, images, labels"),
        (
            {"images": GREY.astype(np.float32), "labels": TWO},
            r"images: found float32 \[3, 4, 5\], expected uint8",
        ),
        ({"images": GREY[0], "labels": TWO}, r"images: found uint8 \[4, 5\], expected uint8 \[N, H, W, 3\]"),
        ({"images": GREY[..., None], "labels": TWO}, r"images: found uint8 \[3, 4, 5, 1\]"),
        ({"images": GREY[:0], "labels": TWO[:0]}, "expected at least one image"),
        (
            {"images": GREY, "labels": TWO[:2]},
            r"labels: found int64 \[2\], expected one label for each of 3 images",
        ),
        ({"images": GREY, "labels": TWO / 2}, r"labels: found float64 \[3\], expected integers or text"),
        ({"images": GREY, "labels": np.array(["a", "", "b"])}, "expected no empty label"),
        (
            {"images": GREY, "labels": TWO, "classes": np.array(["a"])},
            "labels from 0 to 1, expected positions in",
        ),
        ({"images": GREY, "labels": -TWO, "classes": np.array(["a", "b"])}, "labels from -1 to 0"),
        ({"images": GREY, "labels": TWO, "classes": np.array(["a", "a"])}, "a class twice in 'classes'"),
        (
            {"images": GREY, "labels": TWO, "classes": np.array([1, 2])},
            r"classes: found int64 \[2\], expected text",
        ),
        ({"images": GREY, "labels": np.array([{}, {}, {}])}, "no plain .npz file .* without objects"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_arrays(make_npz(tmp_path / "a.npz", **arrays), classes=None)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.npz: found no plain .npz file"):
        read_arrays(path, classes=None)


def store(path: Path, members: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write members as they are, where `make_npz` would write arrays."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make_npy(header: str) -> bytes:
    """Return an array of which there is nothing but the header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def header_of(shape: str, *, dtype: str = "'|u1'") -> bytes:
    """Return an array that declares a shape, given as text, and has 60 bytes."""
    return make_npy(f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n") + bytes(60)


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"no array",
        make_npy("{"),
        make_npy("(" * 900),
        header_of("(10**9,)"),
        header_of("(3, 4, 5, 70)"),
        header_of("(3,)", dtype="('|u1', 2, 3)"),
        header_of("(1,)", dtype="'|O'"),
        make_npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }") + b"\xff\xff\xff\x7f",
        make_npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }") + b"\x00\xd8\x00\x00",
    ],
)
def test_a_member_that_is_no_array_is_refused(tmp_path: Path, member: bytes) -> None:
    path = store(tmp_path / "a.npz", {"images.npy": member, "labels.npy": member})
    with pytest.raises(DataError, match=r"a.npz: found no plain .npz file \("):
        read_arrays(path, classes=None)


@pytest.mark.parametrize("shape", [f"({2**62},)", "(9_999_999_999, 9_999_999_999)"])
def test_an_array_larger_than_memory_is_refused(tmp_path: Path, shape: str) -> None:
    path = store(tmp_path / "a.npz", {"images.npy": header_of(shape)})
    with pytest.raises(DataError, match=r"a.npz: found arrays that do not fit in memory .* fewer"):
        read_arrays(path, classes=None)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("place", [60, 100, 140])
def test_a_damaged_compressed_member_is_refused(tmp_path: Path, compression: int, place: int) -> None:
    path = store(tmp_path / "a.npz", {"images.npy": header_of("(3, 4, 5)")}, compression=compression)
    raw = bytearray(path.read_bytes())
    raw[place : place + 8] = bytes(8)
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a.npz: (found|cannot be read) "):
        read_arrays(path, classes=None)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.npz", {"images.npy": header_of("(60,)")})
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # the flags in the header of the member, and in the directory of the archive
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a.npz: found no plain .npz file \(.* encrypted"):
        read_arrays(path, classes=None)


def test_a_single_array_under_the_name_of_many_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    path = (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"no plain .npz file \(a single array\)"):
        read_arrays(path, classes=None)


def test_a_damaged_array_is_refused(tmp_path: Path) -> None:
    path = make_npz(tmp_path / "a.npz")
    raw = bytearray(path.read_bytes())
    raw[200] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"no plain .npz file \(Bad CRC-32"):
        read_arrays(path, classes=None)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_arrays(tmp_path / "a.npz", classes=None)
