"""A bad file costs at most twice its size and 10 MB."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecl_runtime import PackError, parse_pack, read_pack
from tests.runtime.factories import DIMENSIONS, forge, make_pack, make_tensors

ALLOWED = 10_000_000


def make_large() -> bytes:
    """Return a pack of about 2 MB."""
    return make_pack(tensors=make_tensors(prefix_length=20_000, rank=20_000, dimensions=DIMENSIONS))


def odd_value(text: str) -> Callable[[bytes], bytes]:
    return lambda raw: forge(raw, manifest_text=lambda said: said[:-1] + f',"odd":{text}}}')


def flip_last_bit(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def spoil_last_value(raw: bytes) -> bytes:
    return forge(raw, data=lambda data: data[:-2] + b"\x00\x7c")


@pytest.mark.parametrize(
    "damage",
    [
        flip_last_bit,
        spoil_last_value,
        lambda raw: raw[:-100_000],
        odd_value("[" + "{}," * 16_000 + "{}]"),
        odd_value("[" + "[]," * 60_000 + "[]]"),
        odd_value("[" + "1.5," * 50_000 + "1]"),
        odd_value("[" * 100_000),
        odd_value("{" + ",".join(f'"{number}":1' for number in range(20_000)) + "}"),
        odd_value('"' + "\u00e9" * 100_000 + '"'),
        odd_value('"' + '[{\\"' * 60_000 + '"'),
        lambda raw: forge(raw, table=lambda table: table["prefix_k"].update(shape=[65_536, 65_536, 1, 256])),
    ],
)
def test_a_bad_pack_is_refused_within_its_bound(damage: Callable[[bytes], bytes]) -> None:
    raw = damage(make_large())
    tracemalloc.start()
    try:
        with pytest.raises(PackError):
            parse_pack(raw, "attack")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 2 * len(raw) + ALLOWED


def test_a_good_pack_is_read_without_a_copy_of_its_tensors(tmp_path: Path) -> None:
    path = tmp_path / "large.ecpack"
    path.write_bytes(make_large())
    tracemalloc.start()
    try:
        pack = read_pack(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pack.tensors.size_bytes > 1_500_000
    assert peak < 500_000


def test_a_header_of_33_mb_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.ecpack"
    path.write_bytes((33_000_000).to_bytes(8, "little") + bytes(33_000_000))
    monkeypatch.setattr("edgecl_runtime.pack.map_file", None)  # none of it is mapped, none is hashed
    tracemalloc.start()
    try:
        with pytest.raises(PackError, match="found a header of 33000000 bytes"):
            read_pack(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_the_large_pack_of_these_tests_is_a_good_one() -> None:
    assert np.isfinite(parse_pack(make_large(), "large").tensors.prefix_k.astype(np.float32)).all()
