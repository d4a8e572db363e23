from __future__ import annotations

import re

import pytest

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError


def test_a_record_has_exactly_its_keys() -> None:
    assert read.record({"a": 1}, "x", required=("a",), optional=("b",)) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1, "c": 2}, "x.c: found an unknown key"),
        ({}, "x.a: found nothing"),
        ([], "x: found a list of 0"),
    ],
)
def test_a_record_with_other_keys_is_refused(value: object, message: str) -> None:
    with pytest.raises(FieldError, match=re.escape(message)):
        read.record(value, "x", required=("a",))


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 11])
def test_an_integer_is_an_integer_within_its_bounds(value: object) -> None:
    with pytest.raises(FieldError, match=r"x: found .*, expected an integer from 0 to 10"):
        read.integer(value, "x", minimum=0, maximum=10)


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), 0])
def test_a_positive_number_is_finite_and_above_zero(value: object) -> None:
    with pytest.raises(FieldError, match=r"x: found .*, expected a positive number"):
        read.number(value, "x", positive=True)


@pytest.mark.parametrize("value", ["", "two\nlines", "bell\x07", "\x1b[2J", "sep\u2028", 3, None])
def test_a_text_is_one_line_without_control_characters(value: object) -> None:
    with pytest.raises(FieldError, match=r"x: found .*, expected a text of one line"):
        read.text(value, "x")


@pytest.mark.parametrize("value", ["a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", 0])
def test_a_digest_has_64_lower_case_hex_digits(value: object) -> None:
    with pytest.raises(FieldError, match="64 lower-case hex digits"):
        read.digest(value, "x")


def test_a_pattern_must_match_the_whole_text() -> None:
    with pytest.raises(FieldError, match="of the form"):
        read.text("1.2.3x", "x", pattern=re.compile(r"[0-9.]+"))


def test_a_message_never_carries_control_characters_of_the_file() -> None:
    with pytest.raises(FieldError) as caught:
        read.record({"\x1b[2J": 1}, "x", required=("a",))
    assert "\x1b" not in str(caught.value)


def test_a_long_value_is_clipped_in_the_message() -> None:
    with pytest.raises(FieldError) as caught:
        read.choice("z" * 10_000, "x", among=("a", "b"))
    assert len(str(caught.value)) < 120
