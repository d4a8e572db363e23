"""What happened, for those who ask later: a log that no decision is ever read from."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from edgecl_runtime.store.files import Files
from edgecl_runtime.strict_json import StrictJsonError, parse_object

__all__ = ["MAX_JOURNAL_BYTES", "Journal"]

MAX_JOURNAL_BYTES: Final = 128_000


class Journal:
    """One line of JSON an event, in two files of at most `MAX_JOURNAL_BYTES` each: the newer one and the older one."""

    def __init__(
        self,
        files: Files,
        path: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._files = files
        self._path = path
        self._now = now

    def append(self, event: str, **details: str | int | float | bool | None) -> None:
        """Note an event, durably; on a disk that cannot be written it is lost, and nothing else is."""
        entry = {"time": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"), "event": event, **details}
        # The break comes first: it ends a line that a power cut has torn.
        line = ("\n" + json.dumps(entry, ensure_ascii=False)).encode("utf-8")
        with suppress(OSError):
            self._append(line)

    def read(self) -> list[dict[str, Any]]:
        """Return the events, oldest first, less what is damaged; OSError if the disk cannot be read."""
        lines = (self._read(self._older) + b"\n" + self._read(self._path)).split(b"\n")
        events = []
        for line in lines:
            with suppress(StrictJsonError):
                events.append(parse_object(line))
        return events

    @property
    def _older(self) -> Path:
        return self._path.with_name(self._path.name + ".1")

    def _append(self, line: bytes) -> None:
        current = self._files.entries(self._path.parent).get(self._path.name)
        full = current is not None and current.size_bytes + len(line) > MAX_JOURNAL_BYTES
        if full:
            self._files.rename(self._path, self._older)
        self._files.append(self._path, line)
        self._files.sync(self._path)
        if full or current is None:
            self._files.sync(self._path.parent)

    def _read(self, path: Path) -> bytes:
        try:
            return b"".join(self._files.read(path))
        except FileNotFoundError:
            return b""
