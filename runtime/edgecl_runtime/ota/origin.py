"""Where the files of a repository come from: a web server, or a folder such as a USB drive, with one face."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from edgecl_runtime.errors import InputError
from edgecl_runtime.extras import import_extra
from edgecl_runtime.ota.limits import Deadline

__all__ = ["CHUNK_BYTES", "Body", "Origin", "open_origin"]

CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Body:
    """The answer to one request.

    Attributes:
        start: Where in the file its first byte stands; 0 if the origin does not resume.
        total: The size of the whole file, or None where the origin does not say.
        chunks: The bytes, at most 64 kB at a time. Reading them raises a TransferError when they break off.
    """

    start: int
    total: int | None
    chunks: Iterator[bytes]


class Origin(Protocol):
    """Something that holds a repository.

    Attributes:
        requests: How many files were asked for so far.
        received: How many bytes came so far.
        server_time: What the origin last said the time is. Nobody signed it: it may explain, never decide.
    """

    requests: int
    received: int
    server_time: datetime | None

    def open(self, path: str, *, start: int = 0, deadline: Deadline) -> AbstractContextManager[Body]:
        """Return one file from byte `start` on, as a context in which it is read.

        The path is relative to the repository, and percent-encoded.

        Raises:
            TransferError: it cannot be had; `reason` says why.
        """

    def __enter__(self) -> Origin: ...

    def __exit__(self, *_: object) -> None:
        """Let go of the connection."""


def open_origin(address: str | Path) -> Origin:
    """Return the repository at an http or https address, or in a folder.

    Raises:
        InputError: it is neither.
        MissingExtraError: the [ota] extra is not installed.
    """
    if isinstance(address, str) and address.startswith(("http://", "https://")):
        import_extra("urllib3", extras=("ota",))
        from edgecl_runtime.ota.web_origin import WebOrigin

        return WebOrigin(address)
    folder = Path(address)
    if not folder.is_dir():
        raise InputError(
            f"{address}: found no folder, expected a repository: an address that starts with http:// or "
            "https://, or a folder that has metadata/ and targets/"
        )
    from edgecl_runtime.ota.folder_origin import FolderOrigin

    return FolderOrigin(folder)
