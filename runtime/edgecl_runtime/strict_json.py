"""JSON from files that may be damaged or hostile."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["StrictJsonError", "parse_object"]

_MAX_DEPTH = 32
_MAX_CONTAINERS = 16_384
_MAX_INT_DIGITS = 20
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class StrictJsonError(ValueError):
    """The bytes are not acceptable JSON; the message says what was found."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`; every string in it can be encoded as UTF-8 and every number is finite.

    Nesting and the number of containers are checked before anything is built, so that neither the stack nor
    the memory depends on the content.

    Raises:
        StrictJsonError: not UTF-8, not JSON, not an object, a key twice in one object, NaN or Infinity, an
            integer of more than 20 digits, nested deeper than 32, or more than 16,384 objects and lists.
    """
    _check_nesting(raw)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_int=_short_int,
            parse_float=_finite_float,
        )
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"bytes that are not UTF-8 at {error.start}") from error
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"no JSON ({error.msg} at {error.pos})") from error
    if not isinstance(value, dict):
        raise StrictJsonError("JSON that is not an object")
    _check_surrogates(raw, value)
    return value


def _check_nesting(raw: bytes) -> None:
    without_escapes = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(without_escapes.split(b'"')[::2])
    brackets = outside_strings.translate(None, _NOT_BRACKETS)
    if len(brackets) > 2 * _MAX_CONTAINERS:
        raise StrictJsonError(f"more than {_MAX_CONTAINERS} objects and lists")
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > _MAX_DEPTH:
            raise StrictJsonError(f"nesting deeper than {_MAX_DEPTH}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in result if keys.count(key) > 1)
        raise StrictJsonError(f"the key {twice[:64]!r} twice")
    return result


def _refuse_constant(text: str) -> NoReturn:
    raise StrictJsonError(f"the constant {text}")


def _short_int(text: str) -> int:
    if len(text) > _MAX_INT_DIGITS:
        raise StrictJsonError(f"an integer of {len(text)} digits")
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise StrictJsonError(f"the number {text[:32]}, which is too large")
    return value


def _check_surrogates(raw: bytes, value: dict[str, Any]) -> None:
    if b"\\ud" not in raw.lower():
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise StrictJsonError("half of a surrogate pair in a string") from error
