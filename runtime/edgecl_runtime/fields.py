"""Checked reading of single values out of parsed JSON: parse once at the border, then trust."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgecl_runtime.errors import FieldError

__all__ = ["choice", "digest", "integer", "items", "mapping", "number", "numbers", "record", "text", "texts"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def record(
    value: object, where: str, *, required: Iterable[str], optional: Iterable[str] = ()
) -> Mapping[str, Any]:
    """Return an object that has every required key and no unknown one.

    Raises:
        FieldError: it is not an object, or has other keys.
    """
    if not isinstance(value, dict):
        raise FieldError(where, found=_shown(value), expected="an object")
    required, optional = tuple(required), tuple(optional)
    for key in value:
        if key not in required and key not in optional:
            raise FieldError(
                f"{where}.{_named(key)}", found="an unknown key", expected=f"one of {', '.join(required)}"
            )
    for key in required:
        if key not in value:
            raise FieldError(f"{where}.{key}", found="nothing", expected="a value")
    return value


def text(value: object, where: str, *, pattern: re.Pattern[str] | None = None) -> str:
    """Return a non-empty string of one line, without control characters.

    Raises:
        FieldError: it is something else, or does not match `pattern` as a whole.
    """
    if not isinstance(value, str) or not value or _CONTROL.search(value):
        raise FieldError(where, found=_shown(value), expected="a text of one line")
    if pattern is not None and pattern.fullmatch(value) is None:
        raise FieldError(where, found=_shown(value), expected=f"a text of the form {pattern.pattern}")
    return value


def digest(value: object, where: str) -> str:
    """Return a sha256 as 64 lower-case hex digits.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise FieldError(where, found=_shown(value), expected="64 lower-case hex digits")
    return value


def choice(value: object, where: str, *, among: Sequence[str]) -> str:
    """Return one of the given words.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, str) or value not in among:
        raise FieldError(where, found=_shown(value), expected=" or ".join(map(repr, among)))
    return value


def integer(value: object, where: str, *, minimum: int, maximum: int) -> int:
    """Return an integer within both bounds.

    Raises:
        FieldError: it is something else (`true` is not 1).
    """
    if type(value) is not int or not minimum <= value <= maximum:
        raise FieldError(where, found=_shown(value), expected=f"an integer from {minimum} to {maximum}")
    return value


def number(value: object, where: str, *, positive: bool = False) -> float:
    """Return a finite float.

    Raises:
        FieldError: it is something else, or not above 0 where it must be.
    """
    result = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not math.isfinite(result) or (positive and result <= 0):
        expected = "a positive number" if positive else "a finite number"
        raise FieldError(where, found=_shown(value), expected=expected)
    return result


def items(value: object, where: str, *, minimum: int, maximum: int) -> list[Any] | tuple[Any, ...]:
    """Return a list whose length is within both bounds.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, (list, tuple)) or not minimum <= len(value) <= maximum:
        raise FieldError(where, found=_shown(value), expected=f"a list of {minimum} to {maximum} values")
    return value


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return an object with any keys, each a text of one line.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, dict):
        raise FieldError(where, found=_shown(value), expected="an object")
    for key in value:
        text(key, f"a key of {where}")
    return value


def texts(value: object, where: str) -> dict[str, str]:
    """Return an object whose values are texts.

    Raises:
        FieldError: it is something else.
    """
    return {key: text(entry, f"{where}.{_named(key)}") for key, entry in mapping(value, where).items()}


def numbers(value: object, where: str, *, positive: bool = False) -> dict[str, float]:
    """Return an object whose values are finite floats.

    Raises:
        FieldError: it is something else.
    """
    entries = mapping(value, where).items()
    return {key: number(entry, f"{where}.{_named(key)}", positive=positive) for key, entry in entries}


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    return _clipped(ascii(value))


def _named(key: str) -> str:
    return _clipped(ascii(key)[1:-1])


def _clipped(shown: str) -> str:
    return shown if len(shown) <= 64 else f"{shown[:61]}..."
