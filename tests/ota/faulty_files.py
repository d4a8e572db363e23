"""A disk in memory on which one call fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecl_runtime.store import Entry
from tests.ota.crash_states import MemoryFiles, MemoryLock


@dataclass(slots=True)
class FaultyFiles:
    """Another disk, whose call number `at` (from 1) fails with `error`; `calls` counts. A failed write is half done."""

    disk: MemoryFiles
    error: int
    at: int
    calls: int = 0

    def append(self, path: Path, content: bytes) -> None:
        if self._fails():
            self.disk.append(path, content[: len(content) // 2])
            raise self._error(path)
        self.disk.append(path, content)

    def read(self, path: Path) -> Iterator[bytes]:
        self._check(path)
        yield from self.disk.read(path)

    def sync(self, path: Path) -> None:
        self._check(path)
        self.disk.sync(path)

    def rename(self, source: Path, target: Path) -> None:
        self._check(target)
        self.disk.rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._check(target)
        self.disk.link(source, target)

    def protect(self, path: Path) -> None:
        self._check(path)
        self.disk.protect(path)

    def remove(self, path: Path) -> None:
        self._check(path)
        self.disk.remove(path)

    def make_folder(self, path: Path) -> None:
        self._check(path)
        self.disk.make_folder(path)

    def entries(self, folder: Path) -> dict[str, Entry]:
        self._check(folder)
        return self.disk.entries(folder)

    def free_bytes(self, folder: Path) -> int:
        self._check(folder)
        return self.disk.free_bytes(folder)

    def lock(self, path: Path) -> MemoryLock:
        self._check(path)
        return self.disk.lock(path)

    def _check(self, path: Path) -> None:
        if self._fails():
            raise self._error(path)

    def _fails(self) -> bool:
        self.calls += 1
        return self.calls == self.at

    def _error(self, path: Path) -> OSError:
        return OSError(self.error, os.strerror(self.error), str(path))
