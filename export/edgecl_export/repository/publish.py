"""Writing a repository so that whoever reads it at any moment finds a consistent one.

Every file is new under its name (it has a version or a hash in it) but for the timestamp, which is replaced in
one step after all that it vouches for is on the disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecl_export.repository.errors import RepositoryBusyError, RepositoryError
from edgecl_runtime.durable import make_folder_durably, write_durably

__all__ = ["Content", "exclusive", "write_contents"]


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to publish, here or in a file.

    Attributes:
        source: The bytes, or the file that has them.
        sha256: Of the bytes, in hex.
        length: Of the bytes.
    """

    source: bytes | Path
    sha256: str
    length: int

    @classmethod
    def of(cls, source: bytes | Path) -> Content:
        """Return the content of some bytes or of a file.

        Raises:
            OSError: the file cannot be read.
        """
        raw = source if isinstance(source, bytes) else source.read_bytes()
        return cls(source, hashlib.sha256(raw).hexdigest(), len(raw))

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            RepositoryError: the file has others by now.
        """
        if isinstance(self.source, bytes):
            return self.source
        raw = self.source.read_bytes()
        if hashlib.sha256(raw).hexdigest() != self.sha256:
            raise RepositoryError(
                f"{self.source}: found other bytes than were signed, expected the same. It was changed meanwhile or is "
                "damaged: restore it, and try again"
            )
        return raw


def write_contents(folder: Path, contents: Mapping[str, Content]) -> None:
    """Write files by their path below a folder, in order, each durable before the next; equal ones stay.

    Raises:
        RepositoryError: the source of a file has changed since it was signed.
        OSError: a file cannot be written; the ones behind it are not either.
    """
    for name, content in contents.items():
        path = folder / name
        if not path.is_file() or Content.of(path).sha256 != content.sha256:
            make_folder_durably(path.parent)
            write_durably(path, content.read())


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other publishers out of a folder for the time of a `with` block; on Windows, do nothing.

    Raises:
        RepositoryBusyError: one is there already.
        OSError: there is no such folder.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RepositoryBusyError(
                f"{folder}: another program is publishing there. Try again when it is done"
            ) from error
        yield
    finally:
        os.close(descriptor)
