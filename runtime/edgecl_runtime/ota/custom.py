"""Checked reading and writing of the fields that TUF leaves to its users."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Final, TypeVar

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError, ReleaseError

__all__ = [
    "NAME",
    "check_path",
    "count",
    "each",
    "from_custom",
    "if_there",
    "or_release_error",
    "shown_time",
    "signed_at",
    "signed_at_field",
    "size",
    "time",
    "to_custom",
    "truth",
]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_KEY: Final = "edgecl"
_SIGNED_KEY: Final = "x-edgecl"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_MAX: Final = 2**63 - 1
_MAX_ENTRIES: Final = 64

_Record = TypeVar("_Record")


def signed_at_field(when: datetime) -> dict[str, Any]:
    """Return the extra field of a signed role that says when it was signed, which TUF itself does not."""
    return {_SIGNED_KEY: {"signed_at": shown_time(when)}}


def signed_at(fields: Mapping[str, Any]) -> datetime | None:
    """Return when a role was signed, from its fields that TUF does not know; None where it does not say.

    Raises:
        ReleaseError: the field is there, but is not a time.
    """
    if _SIGNED_KEY not in fields:
        return None
    return or_release_error(_SIGNED_KEY, lambda: _signed_time(fields[_SIGNED_KEY]))


def _signed_time(value: object) -> datetime:
    return time(read.record(value, _SIGNED_KEY, required=("signed_at",))["signed_at"], "signed_at")


def or_release_error(where: str, build: Callable[[], _Record]) -> _Record:
    """Return what `build` returns.

    Raises:
        ReleaseError: it raised a FieldError.
    """
    try:
        return build()
    except FieldError as error:
        place = f"{ascii(where)[1:257]}: {error.where}"
        raise ReleaseError(place, found=error.found, expected=error.expected) from error


def from_custom(
    custom: object, kind: str, *, required: Iterable[str], may_have: Iterable[str] = ()
) -> Mapping[str, Any]:
    """Return the fields of a record of this kind out of the `custom` value of a target.

    Raises:
        FieldError: a field is missing or unknown, or it is another kind.
    """
    outer = read.record(custom, "custom", required=(_KEY,))
    data = read.record(outer[_KEY], _KEY, required=("kind", *required), optional=may_have)
    read.choice(data["kind"], "kind", among=(kind,))
    return data


def to_custom(kind: str, **values: object) -> dict[str, Any]:
    """Return the `custom` value that `from_custom` reads."""
    return {_KEY: {"kind": kind, **values}}


def check_path(found: str, expected: str) -> None:
    """Do nothing if a target stands where its record says.

    Raises:
        FieldError: it stands elsewhere.
    """
    if found != expected:
        raise FieldError("path", found=ascii(found[:256]), expected=expected)


def each(
    value: object, where: str, build: Callable[[object, str], _Record], *, minimum: int
) -> tuple[_Record, ...]:
    """Return every entry of a list of at most 64, as `build` reads it.

    Raises:
        FieldError: it is no list, has another length, or `build` refuses an entry.
    """
    entries = read.items(value, where, minimum=minimum, maximum=_MAX_ENTRIES)
    return tuple(build(entry, f"{where}[{number}]") for number, entry in enumerate(entries))


def if_there(data: Mapping[str, Any], name: str, build: Callable[[object, str], _Record]) -> _Record | None:
    """Return a field as `build` reads it, or None where the record does not have it.

    Raises:
        FieldError: `build` refuses it.
    """
    return build(data[name], name) if name in data else None


def count(value: object, where: str) -> int:
    """Return an integer from 1 on.

    Raises:
        FieldError: it is something else.
    """
    return read.integer(value, where, minimum=1, maximum=_MAX)


def size(value: object, where: str) -> int:
    """Return a number of bytes.

    Raises:
        FieldError: it is something else.
    """
    return read.integer(value, where, minimum=0, maximum=_MAX)


def truth(value: object, where: str) -> bool:
    """Return true or false.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, bool):
        raise FieldError(where, found=ascii(value)[:64], expected="true or false")
    return value


def time(value: object, where: str) -> datetime:
    """Return a moment in UTC, written like 2026-01-31T12:00:00Z.

    Raises:
        FieldError: it is something else.
    """
    moment = read.text(value, where, pattern=_TIME)
    try:
        return datetime.strptime(moment, _TIME_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise FieldError(where, found=moment, expected="a date and time that exist") from error


def shown_time(when: datetime) -> str:
    """Return what `time` reads; fractions of a second are dropped."""
    return when.astimezone(timezone.utc).strftime(_TIME_FORMAT)
