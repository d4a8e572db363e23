from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl_runtime import PackError, parse_pack
from tests.runtime.factories import forge, make_pack, seal, split

RAW = make_pack()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4096))
def test_any_bytes_are_a_pack_or_a_pack_error(raw: bytes) -> None:
    with suppress(PackError):
        parse_pack(raw, "any")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2048))
def test_any_header_with_a_right_digest_is_a_pack_or_a_pack_error(tail: bytes) -> None:
    header, data = split(RAW)
    start = header.index(b"format_version") - 4
    with suppress(PackError):
        parse_pack(seal(header[:start] + tail, data), "any")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["labels", "probe", "tensors", "provenance", "head", "metrics", "task", "version"]), JSON
)
def test_any_value_in_the_manifest_is_a_pack_or_a_pack_error(key: str, value: object) -> None:
    with suppress(PackError):
        parse_pack(forge(RAW, manifest=lambda said: said.update({key: value})), "any")
