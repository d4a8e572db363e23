"""A repository on a web server, read over exactly one connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime

from urllib3.response import BaseHTTPResponse

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.connection import Connection, Route, Watch, connect, find_route
from edgecl_runtime.ota.failures import NETWORK_ERRORS, network_error, refused_answer
from edgecl_runtime.ota.limits import Deadline
from edgecl_runtime.ota.origin import CHUNK_BYTES, Body
from edgecl_runtime.versions import this_version

__all__ = ["WebOrigin"]

_LENGTH = re.compile(r"[0-9]{1,15}")
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")


class WebOrigin:
    """The files below an http or https address.

    A redirect is not followed, an answer in another encoding is not unpacked, and a page in HTML is not taken
    for a file: each is a TransferError with its own reason.
    """

    def __init__(self, address: str) -> None:
        self.requests = 0
        self.received = 0
        self.server_time: datetime | None = None
        self._route: Route = find_route(address)
        self._connection: Connection | None = None

    def __enter__(self) -> WebOrigin:
        return self

    @contextmanager
    def open(self, path: str, *, start: int = 0, deadline: Deadline) -> Iterator[Body]:
        """Return one file from byte `start` on, as a context in which it is read.

        Raises:
            TransferError: it cannot be had; `reason` says why.
        """
        self.requests += 1
        where = f"{self._route.address}/{path}"
        connection = self._connected(where, deadline)
        with Watch(connection, deadline) as watch:
            answer = None
            try:
                answer = self._ask(connection, path, start, watch)
                self.server_time = _moment(answer.headers.get("Date")) or self.server_time
                yield self._body(answer, where, start, watch)
            finally:
                # Only an answer that was read to its end leaves the connection fit for the next request.
                if answer is None or not answer.closed:
                    self.close()
                if answer is not None:
                    answer.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; the next request makes another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection.let_go()
            self._connection = None

    def _connected(self, where: str, deadline: Deadline) -> Connection:
        if deadline.remaining_s() <= 0:
            self.close()
            raise network_error(where, TimeoutError("no time left"), is_over=True)
        if self._connection is None:
            self._connection = connect(self._route)
        self._connection.timeout = min(deadline.limits.silence_s, deadline.remaining_s())
        return self._connection

    def _ask(self, connection: Connection, path: str, start: int, watch: Watch) -> BaseHTTPResponse:
        headers = {"User-Agent": f"edgecl-runtime/{this_version()}", "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={start}-"} if start else {}
        # Through a tunnel, the login is for the proxy alone and was given with the tunnel.
        headers |= self._route.login() if self._route.url.scheme == "http" else {}
        target = self._route.target(path)
        try:
            connection.request("GET", target, headers=headers, preload_content=False, decode_content=False)
            return connection.getresponse()
        except NETWORK_ERRORS as error:
            where = f"{self._route.address}/{path}"
            raise network_error(where, error, is_over=watch.is_over) from error

    def _body(self, answer: BaseHTTPResponse, where: str, start: int, watch: Watch) -> Body:
        refusal = refused_answer(answer.status, answer.headers, where)
        if refusal is not None:
            with suppress(TransferError):
                self._read(answer, where, watch)
            raise refusal
        chunks = self._chunks(answer, where, watch)
        if answer.status == 206:
            found, total = _content_range(answer.headers.get("Content-Range", ""), where, start)
            return Body(start=found, total=total, chunks=chunks)
        return Body(start=0, total=_content_length(answer), chunks=chunks)

    def _chunks(self, answer: BaseHTTPResponse, where: str, watch: Watch) -> Iterator[bytes]:
        while chunk := self._read(answer, where, watch):
            yield chunk

    def _read(self, answer: BaseHTTPResponse, where: str, watch: Watch) -> bytes:
        try:
            chunk = answer.read1(CHUNK_BYTES, decode_content=False)
        except NETWORK_ERRORS as error:
            self.close()
            raise network_error(where, error, is_over=watch.is_over) from error
        if watch.is_over:
            self.close()
            raise network_error(where, TimeoutError("no time left"), is_over=True)
        self.received += len(chunk)
        watch.deadline.note(len(chunk))
        return chunk


def _content_range(header: str, where: str, start: int) -> tuple[int, int | None]:
    found = _RANGE.fullmatch(header)
    if found is None or int(found[1]) != start or int(found[2]) < start:
        raise TransferError(
            where,
            found=f"Content-Range {header[:64]!a}",
            expected=f"bytes {start}-",
            reason="range",
        )
    return start, None if found[3] == "*" else int(found[3])


def _content_length(answer: BaseHTTPResponse) -> int | None:
    header = answer.headers.get("Content-Length", "")
    is_chunked = "Transfer-Encoding" in answer.headers
    return int(header) if _LENGTH.fullmatch(header) and not is_chunked else None


def _moment(header: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
