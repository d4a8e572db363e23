"""A repository in a folder, such as a USB drive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.limits import Deadline
from edgecl_runtime.ota.origin import CHUNK_BYTES, Body

__all__ = ["FolderOrigin"]


class FolderOrigin:
    """The files below a folder; nothing outside it is read, whatever a path or a symbolic link says."""

    def __init__(self, folder: Path) -> None:
        self.requests = 0
        self.received = 0
        self.server_time: datetime | None = None
        self._folder = folder.resolve()

    def __enter__(self) -> FolderOrigin:
        return self

    @contextmanager
    def open(self, path: str, *, start: int = 0, deadline: Deadline) -> Iterator[Body]:
        """Return one file from byte `start` on, as a context in which it is read.

        Raises:
            TransferError: there is no such file, it cannot be read, or it is outside the folder.
        """
        self.requests += 1
        file = self._locate(path)
        try:
            stream = file.open("rb")
        except OSError as error:
            raise _unreadable(str(file), error) from error
        with stream:
            total = file.stat().st_size
            start = min(start, total)
            stream.seek(start)
            yield Body(start=start, total=total, chunks=self._chunks(stream, str(file), deadline))

    def __exit__(self, *_: object) -> None:
        """Do nothing: no file stays open."""

    def _locate(self, path: str) -> Path:
        file = self._folder.joinpath(*(unquote(part) for part in path.split("/")))
        try:
            resolved = file.resolve()
            is_file = resolved.is_file()
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if not resolved.is_relative_to(self._folder):
            raise _missing(path, found="a path that leads out of the folder")
        if not is_file:
            raise _missing(str(file), found="no file")
        return resolved

    def _chunks(self, stream: BinaryIO, where: str, deadline: Deadline) -> Iterator[bytes]:
        while True:
            try:
                chunk = stream.read(CHUNK_BYTES)
            except OSError as error:
                raise _unreadable(where, error) from error
            if not chunk:
                return
            self.received += len(chunk)
            deadline.note(len(chunk))
            yield chunk


def _missing(where: str, *, found: str) -> TransferError:
    return TransferError(
        where,
        found=found,
        expected="a file of the repository",
        reason="http-404",
        advice="Copy the repository again with: edgecl repo usb REPO OUT",
        retryable=False,
    )


def _unreadable(where: str, error: Exception) -> TransferError:
    return TransferError(where, found=f"{error}", expected="a file that can be read", reason="drive")
