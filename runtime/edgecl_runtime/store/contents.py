"""Contents by their sha256: whoever finds a name in the folder finds its bytes, whole and right."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from edgecl_runtime.errors import IntegrityError
from edgecl_runtime.store.files import Entry, Files, insist, remove_if_there

__all__ = ["Contents"]


class Contents:
    """The folder of contents, and the folder where they are put together before."""

    def __init__(self, files: Files, *, folder: Path, partials: Path) -> None:
        self._files = files
        self._folder = folder
        self._partials = partials

    def path(self, sha256: str) -> Path:
        """Return where some content lies, or will."""
        return self._folder / sha256

    def partial_path(self, sha256: str) -> Path:
        """Return where some content is put together."""
        return self._partials / sha256

    def entries(self) -> dict[str, Entry]:
        """Return each content that is there, by sha256."""
        return self._files.entries(self._folder)

    def sizes(self) -> dict[str, int]:
        """Return the size of each content that is there, by sha256."""
        return {name: entry.size_bytes for name, entry in self.entries().items()}

    def partial_sizes(self) -> dict[str, int]:
        """Return the size of each content that is being put together, by sha256."""
        return {name: entry.size_bytes for name, entry in self._files.entries(self._partials).items()}

    def adopt(self, sha256: str, size_bytes: int) -> None:
        """Take what was put together into the folder, if it is not there.

        Raises:
            IntegrityError: it is something else; it was removed.
        """
        partial = self.partial_path(sha256)
        if sha256 in self.sizes():
            remove_if_there(self._files, partial)
            return
        try:
            self._check(partial, sha256, size_bytes)
            self._files.sync(partial)
        except (IntegrityError, OSError) as error:
            # After a failed write-back the disk has other bytes than the memory, and syncing again would not say so.
            if isinstance(error, IntegrityError) or error.errno == errno.EIO:
                with suppress(OSError):
                    self._files.remove(partial)
            raise
        self._files.protect(partial)
        self._files.rename(partial, self.path(sha256))
        self._files.sync(self._folder)

    def damaged(self, hashes: Collection[str]) -> set[str]:
        """Return which of these contents are there with other bytes, or on a bad sector."""
        there = self.sizes()
        return {sha256 for sha256 in hashes if sha256 in there and self._is_damaged(sha256)}

    def remove(self, sha256: str) -> None:
        """Take some content away."""
        self._files.remove(self.path(sha256))

    def remove_partial(self, sha256: str) -> None:
        """Take away what was put together of some content."""
        self._files.remove(self.partial_path(sha256))

    def missing(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Return which of these contents, sizes by sha256, are not there."""
        there = self.sizes()
        return {sha256: size for sha256, size in wanted.items() if sha256 not in there}

    def _check(self, path: Path, sha256: str, size_bytes: int) -> None:
        found, size = self._digest(path)
        if (found, size) != (sha256, size_bytes):
            raise IntegrityError(
                str(path),
                found=f"{size} bytes with sha256 {found[:12]}...",
                expected=f"{size_bytes} bytes with {sha256[:12]}...",
            )

    def _is_damaged(self, sha256: str) -> bool:
        try:
            return insist(lambda: self._digest(self.path(sha256)))[0] != sha256
        except OSError as error:
            if error.errno == errno.EIO:
                return True
            raise

    def _digest(self, path: Path) -> tuple[str, int]:
        total, size = hashlib.sha256(), 0
        for piece in self._files.read(path):
            total.update(piece)
            size += len(piece)
        return total.hexdigest(), size
