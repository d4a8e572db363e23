"""Fetch one file: resumed, within its deadline, and checked while it comes."""

from __future__ import annotations

import errno
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from edgecl_runtime.errors import IntegrityError, StoreError, TransferError
from edgecl_runtime.ota.backoff import Tries
from edgecl_runtime.ota.limits import ByteBudget, Deadline, Limits
from edgecl_runtime.ota.origin import CHUNK_BYTES, Body, Origin

__all__ = ["Item", "download"]

# So little news does not count as progress: a server that hands out crumbs is given up like one that fails.
_PROGRESS_BYTES: Final = 4096
_NOT_A_CONTINUATION: Final = frozenset({"encoding", "range"})


@dataclass(frozen=True, slots=True)
class Item:
    """A file to fetch: its percent-encoded path below the repository, and what was signed about it."""

    path: str
    length: int
    digest: str
    algorithm: str = "sha256"


def download(
    origin: Origin,
    item: Item,
    partial: Path,
    *,
    limits: Limits | None = None,
    budget: ByteBudget | None = None,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> None:
    """Make `partial` the file that was signed, and fetch only what it does not have yet.

    At most its length and 64 kB are read of an answer. What came before a failure stays for the next call;
    what cannot be continued is deleted. Making the file durable is left to the store that takes it.

    Raises:
        TransferError: it did not come; `reason` says why, and `retry_after_s` when the server wants to be
            asked again.
        IntegrityError: what came is not the file; `partial` is gone.
        QuotaError: the byte budget has not so much left.
        StoreError: `partial` cannot be written.
    """
    deadline = Deadline(limits or Limits())
    budget = budget or ByteBudget(2**63 - 1)
    tries = Tries(deadline, sleep, draw)
    task = _Download(origin, item, deadline, budget)
    with _disk(partial), _opened(partial) as stream:
        task.read_what_is_there(stream)
        budget.check(item.path, item.length - task.have)
        most = task.have
        while not task.is_complete(stream):
            try:
                task.receive(stream)
            except TransferError as error:
                if task.have >= most + _PROGRESS_BYTES:
                    most = task.have
                    tries.note_progress()
                if not task.gave_up_continuing(stream, error):
                    tries.after(error)


@contextmanager
def _opened(partial: Path) -> Iterator[BinaryIO]:
    """Open for reading and writing; delete the file if it turns out not to be a beginning of the right one."""
    try:
        with partial.open("r+b" if partial.exists() else "w+b") as stream:
            yield stream
    except IntegrityError:
        partial.unlink()
        raise


@contextmanager
def _disk(partial: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "store"
        raise StoreError(
            str(partial),
            found=str(error),
            expected="a file that can be written",
            reason=reason,
            retryable=reason == "disk-full",
        ) from error


class _Download:
    """The bytes so far, their digest, and whether they all came out of one answer."""

    def __init__(self, origin: Origin, item: Item, deadline: Deadline, budget: ByteBudget) -> None:
        self.have = 0
        self._origin, self._item, self._deadline, self._budget = origin, item, deadline, budget
        self._digest = hashlib.new(self._item.algorithm)
        self._is_of_one_answer = True
        self._has_started_over = False

    def read_what_is_there(self, stream: BinaryIO) -> None:
        """Take account of a partial file; one that is too long is none."""
        while self.have <= self._item.length and (chunk := stream.read(CHUNK_BYTES)):
            self._digest.update(chunk)
            self.have += len(chunk)
            self._is_of_one_answer = False
        if self.have > self._item.length:
            self._start_over(stream)

    def is_complete(self, stream: BinaryIO) -> bool:
        """Say whether the file is there. A wrong one that was pieced together is fetched anew, once.

        Raises:
            IntegrityError: it is wrong, and would be wrong again.
        """
        if self.have < self._item.length:
            return False
        found, expected = self._digest.hexdigest(), self._item.digest
        if found == expected:
            return True
        if self._is_of_one_answer or self._has_started_over:
            raise self._wrong("hash", f"{self._item.algorithm} {found[:12]}...", f"{expected[:12]}...")
        self._has_started_over = True
        self._start_over(stream)
        return False

    def receive(self, stream: BinaryIO) -> None:
        """Ask for what is missing, and write what comes."""
        with self._origin.open(self._item.path, start=self.have, deadline=self._deadline) as body:
            if body.total not in (None, self._item.length):
                raise self._wrong("length", f"{body.total} bytes", f"{self._item.length}")
            if body.start != self.have:
                self._start_over(stream)
            self._is_of_one_answer = self.have == 0
            self._write(stream, body)
        if self.have < self._item.length:
            raise TransferError(
                self._item.path,
                found=f"an end after {self.have} bytes",
                expected=f"{self._item.length}",
                reason="short",
            )

    def gave_up_continuing(self, stream: BinaryIO, error: TransferError) -> bool:
        """Say whether what is there was dropped, because the origin cannot continue it; then ask for all of it."""
        if error.reason not in _NOT_A_CONTINUATION or not self.have:
            return False
        self._start_over(stream)
        return True

    def _write(self, stream: BinaryIO, body: Body) -> None:
        for chunk in body.chunks:
            self._budget.take(self._item.path, len(chunk))
            if self.have + len(chunk) > self._item.length:
                raise self._wrong("length", "more bytes", f"{self._item.length}")
            stream.write(chunk)
            self._digest.update(chunk)
            self.have += len(chunk)

    def _start_over(self, stream: BinaryIO) -> None:
        stream.seek(0)
        stream.truncate()
        self._digest = hashlib.new(self._item.algorithm)
        self.have = 0
        self._is_of_one_answer = True

    def _wrong(self, reason: str, found: str, expected: str) -> IntegrityError:
        return IntegrityError(self._item.path, found=found, expected=expected, reason=reason)
