from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecl_runtime.strict_json import StrictJsonError, parse_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_an_object_comes_back_as_it_was(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    with suppress(StrictJsonError):
        assert isinstance(parse_object(raw), dict)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"a":1,"a":2}', "key 'a' twice"),
        (b'{"b":{"a":1,"a":2}}', "key 'a' twice"),
        (b'{"b":[{"a":1,"a":1}]}', "key 'a' twice"),
        (b'{"a":NaN}', "constant NaN"),
        (b'{"a":[-Infinity]}', "constant -Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 10_000 + b"}", "integer of 10000 digits"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "no JSON"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\uDC00":1}', "surrogate"),
        (b"[]", "not an object"),
        (b"", "no JSON"),
        (b'{"a":1}x', "no JSON"),
        (b'{"a":' + b"[" * 10_000, "deeper than 32"),
        (b'{"a":' + b'{"a":' * 33 + b"1" + b"}" * 34, "deeper than 32"),
        (b'{"a":[' + b"[]," * 20_000 + b"[]]}", "more than 16384"),
    ],
)
def test_what_is_not_acceptable_is_named(raw: bytes, found: str) -> None:
    with pytest.raises(StrictJsonError, match=found):
        parse_object(raw)


def test_brackets_inside_strings_are_not_nesting() -> None:
    value = {"a": '[{"\\"[' * 100, "b\\]": "[\\\\"}
    assert parse_object(json.dumps(value).encode()) == value


def test_a_pair_of_surrogates_is_one_letter() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
