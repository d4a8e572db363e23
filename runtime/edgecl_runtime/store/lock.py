"""One writer at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from edgecl_runtime.errors import UpdateBusyError

__all__ = ["FileLock", "Lock"]


class Lock(Protocol):
    """What is held until it is released."""

    def release(self) -> None:
        """Let others in."""


class FileLock:
    """A lock that the system takes back when its holder ends, however it ends: none is ever stale.

    Raises:
        UpdateBusyError: somebody else holds it.
        OSError: its file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        import fcntl  # Windows has none; no store is written there

        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            if isinstance(error, BlockingIOError):
                raise UpdateBusyError(
                    str(path), found="another updater at work", expected="one at a time"
                ) from error
            raise

    def release(self) -> None:
        """Let others in."""
        os.close(self._descriptor)
