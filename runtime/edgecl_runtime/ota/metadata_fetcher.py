"""Gives the client of python-tuf its metadata through our own transfers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from edgecl_runtime.errors import IntegrityError, TransferError
from edgecl_runtime.ota.backoff import Tries
from edgecl_runtime.ota.limits import Deadline, Limits
from edgecl_runtime.ota.origin import Origin

__all__ = ["MetadataFetcher"]

_NOT_THERE = {"http-403": 403, "http-404": 404}


class MetadataFetcher(FetcherInterface):
    """Fetches metadata under one deadline for all files of an update, and no byte more than is allowed."""

    def __init__(
        self,
        origin: Origin,
        *,
        limits: Limits,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._origin, self._limits, self._sleep, self._draw = origin, limits, sleep, draw
        self._deadline = Deadline(limits)

    def begin(self) -> None:
        """Start the deadline anew."""
        self._deadline = Deadline(self._limits)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return a file of at most `max_length` bytes.

        Raises:
            DownloadHTTPError: the repository does not have it, which for the next root is the usual answer.
            TransferError: it cannot be had.
            IntegrityError: it is longer.
        """
        tries = Tries(self._deadline, self._sleep, self._draw)
        while True:
            try:
                return self._read(url, max_length)
            except TransferError as error:
                if error.reason in _NOT_THERE:
                    raise DownloadHTTPError(str(error), _NOT_THERE[error.reason]) from error
                tries.after(error)

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self._origin.open(url, deadline=self._deadline) as body:
            yield from body.chunks

    def _read(self, url: str, max_length: int) -> bytes:
        content = bytearray()
        for chunk in self._fetch(url):
            content += chunk
            if len(content) > max_length:
                raise IntegrityError(
                    url, found="more bytes", expected=f"{max_length} at most", reason="length"
                )
        return bytes(content)
