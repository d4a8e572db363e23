"""How many bytes of today's budget are left, from one update to the next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from edgecl_runtime import fields as read
from edgecl_runtime.durable import write_durably
from edgecl_runtime.errors import FieldError
from edgecl_runtime.ota.limits import ByteBudget
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["daily_budget"]

SPENT_FILE: Final = "spent.json"

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@contextmanager
def daily_budget(store: Path, daily_bytes: int | None, *, now: datetime) -> Iterator[ByteBudget | None]:
    """Give what is left of the bytes for today, and note afterwards what was spent; None is without a bound."""
    if daily_bytes is None:
        yield None
        return
    day = now.date().isoformat()
    spent = _read_spent(store, day)
    budget = ByteBudget(max(0, daily_bytes - spent))
    at_first = budget.left
    try:
        yield budget
    finally:
        spent += at_first - budget.left
        with suppress(OSError):  # on a full disk the count of this update is lost, and nothing else
            write_durably(store / SPENT_FILE, json.dumps({"day": day, "bytes": spent}).encode())


def _read_spent(store: Path, day: str) -> int:
    """Return the bytes that were spent on a day; 0 if no record of it can be read."""
    try:
        data = read.record(
            parse_object((store / SPENT_FILE).read_bytes()), "spent", required=("day", "bytes")
        )
        same = read.text(data["day"], "day", pattern=_DAY) == day
        return read.integer(data["bytes"], "bytes", minimum=0, maximum=2**53) if same else 0
    except (OSError, StrictJsonError, FieldError):
        return 0
