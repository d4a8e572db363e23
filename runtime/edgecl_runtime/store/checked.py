"""A small JSON record that knows whether it is damaged, with a copy of the one before it."""

from __future__ import annotations

import errno
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, Final

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError
from edgecl_runtime.store.files import Files, insist, replace_durably
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["FORMAT_VERSION", "read_copies", "write_checked"]

FORMAT_VERSION: Final = 1
_MAX_BYTES: Final = 4 << 20


def read_copies(files: Files, path: Path) -> tuple[dict[str, Any], ...]:
    """Return the undamaged ones of a record and the record before it, in this order.

    Raises:
        OSError: the disk cannot be read; of a bad sector under one of both, only if the other one is of no use.
    """
    found, failures = [], []
    for copy in (path, _previous(path)):
        try:
            undamaged = insist(partial(_read_undamaged, files, copy))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            failures.append(error)
        else:
            found += [undamaged[1]] if undamaged else []
    if failures and not found:
        raise failures[0]
    return tuple(found)


def write_checked(files: Files, path: Path, body: dict[str, Any]) -> None:
    """Replace a record, durably; what it said before is kept beside it unless it is damaged."""
    try:
        current = insist(partial(_read_undamaged, files, path))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        current = None
    if current is not None:
        replace_durably(files, _previous(path), current[0])
    record = {"sha256": _digest(body), "body": body}
    replace_durably(files, path, (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8"))


def _read_undamaged(files: Files, path: Path) -> tuple[bytes, dict[str, Any]] | None:
    try:
        raw = _read_at_most(files, path, _MAX_BYTES)
        record = read.record(parse_object(raw), "record", required=("sha256", "body"))
        body = dict(read.mapping(record["body"], "body"))
    except (FileNotFoundError, FieldError, StrictJsonError):
        return None
    return (raw, body) if record["sha256"] == _digest(body) else None


def _read_at_most(files: Files, path: Path, size_bytes: int) -> bytes:
    """Return the content of a file, or its beginning if it is far too long to be a record."""
    raw = bytearray()
    for piece in files.read(path):
        raw += piece
        if len(raw) > size_bytes:
            break
    return bytes(raw)


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".prev")
