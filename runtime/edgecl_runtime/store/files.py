"""The calls to the file system that a store is made of.

Everything a store writes goes through these methods. Tests put a disk in memory behind them that loses power after
any call, forgets what was not synced, or fails.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from edgecl_runtime.store.lock import FileLock, Lock

__all__ = [
    "NEW",
    "DiskFiles",
    "Entry",
    "Files",
    "insist",
    "remove_if_there",
    "remove_tree",
    "replace_durably",
]

_READ_BYTES: Final = 1 << 20
NEW: Final = ".new"

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder says about one name; two names of equal `identity` are the same file."""

    size_bytes: int
    identity: int
    is_folder: bool


class Files(Protocol):
    """A file system. Every method raises OSError when it fails.

    What a method did is there for every process at once, and after a power cut only if it was synced: the content of
    a file by `sync` of the file; its name, and that another name is gone, by `sync` of the folder.
    """

    def append(self, path: Path, content: bytes) -> None:
        """Add bytes to the end of a file; make it if it is not there."""

    def read(self, path: Path) -> Iterator[bytes]:
        """Yield the content of a file, piece by piece."""

    def sync(self, path: Path) -> None:
        """Return once the content of a file, or the names in a folder, outlast a power cut."""

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder another name; a file that had it is replaced in the same moment."""

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""

    def protect(self, path: Path) -> None:
        """Let nobody write to a file any more."""

    def remove(self, path: Path) -> None:
        """Take a name away: of a file or an empty folder."""

    def make_folder(self, path: Path) -> None:
        """Make a folder."""

    def entries(self, folder: Path) -> dict[str, Entry]:
        """Return the files and folders in a folder by name; links to elsewhere are left out."""

    def free_bytes(self, folder: Path) -> int:
        """Return how much may still be written."""

    def lock(self, path: Path) -> Lock:
        """Hold a file alone, or raise UpdateBusyError."""


class DiskFiles:
    """The file system of the machine."""

    def append(self, path: Path, content: bytes) -> None:
        """Add bytes to the end of a file; make it if it is not there."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)

    def read(self, path: Path) -> Iterator[bytes]:
        """Yield the content of a file, piece by piece."""
        with path.open("rb") as stream:
            while piece := stream.read(_READ_BYTES):
                yield piece

    def sync(self, path: Path) -> None:
        """Return once the content of a file, or the names in a folder, outlast a power cut."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder another name; a file that had it is replaced in the same moment."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        target.hardlink_to(source)

    def protect(self, path: Path) -> None:
        """Let nobody write to a file any more."""
        path.chmod(0o444)

    def remove(self, path: Path) -> None:
        """Take a name away: of a file or an empty folder."""
        try:
            path.unlink()
        except IsADirectoryError:
            path.rmdir()

    def make_folder(self, path: Path) -> None:
        """Make a folder."""
        path.mkdir()

    def entries(self, folder: Path) -> dict[str, Entry]:
        """Return the files and folders in a folder by name; links to elsewhere are left out."""
        found = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_symlink():
                    about = entry.stat(follow_symlinks=False)
                    found[entry.name] = Entry(about.st_size, about.st_ino, entry.is_dir())
        return found

    def free_bytes(self, folder: Path) -> int:
        """Return how much may still be written."""
        about = os.statvfs(folder)
        return about.f_bavail * about.f_frsize

    def lock(self, path: Path) -> Lock:
        """Hold a file alone, or raise UpdateBusyError."""
        return FileLock(path)


def replace_durably(files: Files, path: Path, content: bytes) -> None:
    """Replace a file: at every moment the old content or the new one is there, and the new one once this returns."""
    new = path.with_name(path.name + NEW)
    remove_if_there(files, new)
    files.append(new, content)
    files.sync(new)
    files.rename(new, path)
    files.sync(path.parent)


def insist(read: Callable[[], _Result]) -> _Result:
    """Return what is read; a bad sector is asked a second time before it is believed."""
    try:
        return read()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    return read()


def remove_if_there(files: Files, path: Path) -> None:
    """Take a name away, if it is there."""
    with suppress(FileNotFoundError):
        files.remove(path)


def remove_tree(files: Files, folder: Path) -> None:
    """Remove a folder of files, if it is there."""
    with suppress(FileNotFoundError):
        for name in files.entries(folder):
            files.remove(folder / name)
        files.remove(folder)
