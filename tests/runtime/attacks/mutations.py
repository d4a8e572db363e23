"""Ten thousand ways to damage a pack, all from seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.runtime.factories import forge, make_pack, make_tensors, seal, split

Mutate = Callable[[bytes, random.Random], bytes]

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 65_536, 65_537, 2**31, 2**63, 2**64, 10**19, 0.5, 1e308,
    "", "0", "F64", "I8", "F16", "F32", [], [0], [-1], [2**40, 2**40], {}, {"a": 1}, "../../evil", "\u0000",
)  # fmt: skip

# Keys that many values are right for.
OPEN_KEYS = {"header_sha256", "device_class", "parent", "metrics", "task", "version"}


def flip_bits(raw: bytes, dice: random.Random) -> bytes:
    """Flip one to eight bits anywhere."""
    damaged = bytearray(raw)
    for _ in range(dice.randint(1, 8)):
        damaged[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def flip_region(raw: bytes, dice: random.Random) -> bytes:
    """Flip one bit of the length, the digest, the header's end, or the first or last bytes of the tensors."""
    end = 8 + int.from_bytes(raw[:8], "little")
    start, stop = dice.choice([(0, 8), (8, 120), (end - 32, end), (end, end + 32), (len(raw) - 32, len(raw))])
    damaged = bytearray(raw)
    damaged[dice.randrange(start, stop)] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def cut(raw: bytes, dice: random.Random) -> bytes:
    """Keep a part of the file."""
    return raw[: dice.randrange(len(raw))]


def lengthen(raw: bytes, dice: random.Random) -> bytes:
    """Add bytes at the end."""
    return raw + dice.randbytes(dice.randint(1, 64))


def splice(raw: bytes, dice: random.Random) -> bytes:
    """Overwrite a stretch by random bytes, or by another stretch."""
    start, size = dice.randrange(len(raw) - 64), dice.randint(1, 64)
    source = dice.randrange(len(raw) - 64)
    patch = dice.randbytes(size) if dice.random() < 0.5 else raw[source : source + size]
    return raw[:start] + patch + raw[start + size :]


def set_length(raw: bytes, dice: random.Random) -> bytes:
    """Say another size of the header."""
    size = dice.choice([0, 7, 8, 256_000, 256_001, 2**31, 2**63, 2**64 - 1, dice.randrange(len(raw) * 2)])
    return size.to_bytes(8, "little") + raw[8:]


def odd_manifest_value(raw: bytes, dice: random.Random) -> bytes:
    """Give a key of the manifest an odd value, with right digests."""

    def edit(said: dict[str, object]) -> None:
        key = dice.choice(sorted(set(said) - OPEN_KEYS))
        said[key] = _other(said[key], dice)

    return forge(raw, manifest=edit)


def odd_table_value(raw: bytes, dice: random.Random) -> bytes:
    """Give a tensor of the header an odd type, shape or offset, with right digests."""

    def edit(table: dict[str, dict[str, object]]) -> None:
        name = dice.choice(sorted(set(table) - {"__metadata__"}))
        key = dice.choice(["dtype", "shape", "data_offsets"])
        table[name][key] = _other(table[name][key], dice)

    return forge(raw, table=edit)


def odd_shape(raw: bytes, dice: random.Random) -> bytes:
    """Change one size of one tensor in header and manifest alike, with right digests."""
    names = sorted(json.loads(json.loads(split(raw)[0])["__metadata__"]["edgecl"])["tensors"])
    name, size = dice.choice(names), dice.choice([0, 1, 3, 7, -1, 65_536, 2**32, 2**62])

    def edit(table: dict[str, dict[str, list[int]]]) -> None:
        shape = table[name]["shape"]
        shape[dice.randrange(len(shape))] += size or 1

    return forge(raw, table=edit, manifest=lambda said: edit(said["tensors"]))


def shift_offsets(raw: bytes, dice: random.Random) -> bytes:
    """Make tensors overlap or leave gaps, with right digests."""
    step = dice.choice([-64, -4, -2, -1, 1, 2, 4, 64, 2**40])

    def edit(table: dict[str, dict[str, list[int]]]) -> None:
        offsets = table[dice.choice(sorted(set(table) - {"__metadata__"}))]["data_offsets"]
        offsets[dice.randrange(2)] += step

    return forge(raw, table=edit)


def drop_or_add_key(raw: bytes, dice: random.Random) -> bytes:
    """Drop a key, or add an unknown one, with right digests."""

    def edit(value: dict[str, object]) -> None:
        keys = sorted(set(value) - {"header_sha256", "__metadata__"})
        if dice.random() < 0.5:
            del value[dice.choice(keys)]
        else:
            value[dice.choice(["extra", "__proto__", "\u00e9", "tensors2"])] = dice.choice(ODD_VALUES)

    return forge(raw, manifest=edit) if dice.random() < 0.5 else forge(raw, table=edit)


def twice_a_key(raw: bytes, dice: random.Random) -> bytes:
    """Write a key twice, in the header or in the manifest, with right digests."""
    if dice.random() < 0.5:
        return forge(raw, manifest_text=lambda text: text[:-1] + ',"task":"leaves"}')
    name = dice.choice(["head_bias", "prefix_k"])
    return forge(raw, header_text=lambda text: text[:-1] + f',"{name}":null}}')


def deep_or_wide(raw: bytes, dice: random.Random) -> bytes:
    """Nest deeply, or write very many or very large values, with right digests."""
    deep = ("[" * 9_000 + "]" * 9_000, '{"a":' * 900 + "1" + "}" * 900)
    odd = dice.choice([*deep, "9" * 9_000, "NaN", "-Infinity", "1e999"])
    return forge(raw, manifest_text=lambda text: text[:-1] + f',"odd":{odd}}}')


def not_finite(raw: bytes, dice: random.Random) -> bytes:
    """Put NaN or Infinity into the tensors, with right digests."""
    spoiled = dice.choice([b"\x00\x7c", b"\x00\xfc", b"\x00\x7e", b"\xff\xff"])

    def edit(data: bytes) -> bytes:
        # The first 64 bytes are float32: there, these two are the upper half of a value. Float16 follows.
        start = dice.randrange(32, len(data) // 2) * 2
        return data[:start] + spoiled + data[start + 2 :]

    return forge(raw, data=edit)


def odd_header_bytes(raw: bytes, dice: random.Random) -> bytes:
    """Change one byte of the header to one that JSON or UTF-8 does not allow there, with a right digest."""
    header, data = split(raw)
    start = dice.randrange(150, len(header.rstrip()))
    odd = dice.choice([b"\xff", b"\x00", b"\n", b"\xed\xa0\x80", b'"'])
    return seal(header[:start] + odd + header[start + 1 :], data)


def _other(value: object, dice: random.Random) -> object:
    odd = dice.choice(ODD_VALUES)
    return None if odd == value and type(odd) is type(value) else odd


KINDS: tuple[tuple[Mutate, int], ...] = (
    (flip_bits, 1_500),
    (flip_region, 1_500),
    (cut, 1_000),
    (lengthen, 300),
    (splice, 1_000),
    (set_length, 500),
    (odd_manifest_value, 900),
    (odd_table_value, 900),
    (odd_shape, 700),
    (shift_offsets, 600),
    (drop_or_add_key, 400),
    (twice_a_key, 100),
    (deep_or_wide, 100),
    (not_finite, 300),
    (odd_header_bytes, 200),
)


def make_original(*, int8: bool = False) -> bytes:
    """Return the pack that is damaged."""
    tensors = make_tensors(prefix_length=2, rank=2, dtype="I8" if int8 else "F16")
    return make_pack(tensors=tensors, int8=int8)


def mutations(kind: Mutate, count: int, *, int8: bool = False) -> Iterator[bytes]:
    """Yield `count` damaged packs of one kind."""
    raw, dice = make_original(int8=int8), random.Random(kind.__name__)
    for _ in range(count):
        yield kind(raw, dice)
