"""A loopback web server whose every answer is scripted, down to the byte and to the moment."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

STALL_S: Final = 30.0


@dataclass(frozen=True)
class Request:
    """What a client asked for; `start` is the beginning of its Range, or 0."""

    path: str
    headers: dict[str, str]

    @property
    def start(self) -> int:
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


class Line:
    """The server's end of a connection; it counts payload bytes, and is cut with the server."""

    def __init__(self, connected: socket.socket, stopped: threading.Event) -> None:
        self._connected, self._stopped = connected, stopped
        self.sent = 0

    def send(self, raw: bytes) -> None:
        self._connected.sendall(raw)

    def send_body(self, raw: bytes) -> None:
        for at in range(0, len(raw), 16_384):
            self.send(raw[at : at + 16_384])
            self.sent += len(raw[at : at + 16_384])

    def wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise ConnectionAbortedError("the server is being stopped")


# An answer writes to the line; where it returns True the connection stays open for the next request.
Answer = Callable[[Request, Line], bool]


@dataclass
class FaultServer:
    """Gives the scripted answers one after the other; the last one, again and again."""

    answers: list[Answer]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    accepted: int = 0
    open_lines: int = 0
    most_open_lines: int = 0

    def __enter__(self) -> FaultServer:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connected,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connected: socket.socket) -> None:
        with self._lock:
            self.accepted += 1
            self.open_lines += 1
            self.most_open_lines = max(self.most_open_lines, self.open_lines)
        connected.settimeout(STALL_S)
        with suppress(OSError), connected:
            secured = self.tls.wrap_socket(connected, server_side=True) if self.tls else connected
            with secured:
                self._talk(secured)
        with self._lock:
            self.open_lines -= 1

    def _talk(self, connected: socket.socket) -> None:
        line = Line(connected, self._stopped)
        with connected.makefile("rb") as stream:
            while (request := _read_request(stream)) is not None:
                with self._lock:
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    self.requests.append(request)
                try:
                    if not answer(request, line):
                        break
                finally:
                    with self._lock:
                        self.sent, line.sent = self.sent + line.sent, 0


def _read_request(stream: Iterable[bytes]) -> Request | None:
    lines = iter(stream)
    first = next(lines, b"").split()
    if len(first) != 3:
        return None
    headers = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            break
        headers[name.strip().lower()] = value.strip()
    return Request(path=first[1].decode("latin-1"), headers=headers)


def head(status: int = 200, **headers: object) -> bytes:
    """Return the status line and headers; `Content_Length` stands for Content-Length."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def part_head(content: bytes, start: int, **headers: object) -> bytes:
    """Return the head of a right answer from byte `start` on."""
    size = len(content)
    if not start:
        return head(200, Content_Length=size, **headers)
    return head(206, Content_Length=size - start, Content_Range=f"bytes {start}-{size - 1}/{size}", **headers)


def serve(content: bytes) -> Answer:
    """Give the file, from where it is asked for."""

    def answer(request: Request, line: Line) -> bool:
        line.send(part_head(content, request.start))
        line.send_body(content[request.start :])
        return True

    return answer


def serve_tree(files: dict[str, bytes]) -> Answer:
    """Give the files by path, and 404 for others."""

    def answer(request: Request, line: Line) -> bool:
        content = files.get(request.path)
        return status(404)(request, line) if content is None else serve(content)(request, line)

    return answer


def drop_after(content: bytes, count: int) -> Answer:
    """Promise the file from where it is asked for, give `count` bytes of it and hang up."""

    def answer(request: Request, line: Line) -> bool:
        line.send(part_head(content, request.start))
        line.send_body(content[request.start : request.start + count])
        return False

    return answer


def ignore_range(content: bytes) -> Answer:
    """Give the file from its beginning, whatever is asked for."""

    def answer(request: Request, line: Line) -> bool:
        line.send(head(200, Content_Length=len(content)))
        line.send_body(content)
        return True

    return answer


def status(code: int, *, page: bytes = b"", **headers: object) -> Answer:
    """Refuse, with a page for people."""

    def answer(request: Request, line: Line) -> bool:
        line.send(head(code, Content_Length=len(page), **headers) + page)
        return True

    return answer


def raw(*parts: bytes) -> Answer:
    """Send these bytes and hang up."""

    def answer(request: Request, line: Line) -> bool:
        for part in parts:
            line.send(part)
        return False

    return answer


def endless(first: bytes) -> Answer:
    """Send a head, then bytes without end."""

    def answer(request: Request, line: Line) -> bool:
        line.send(first)
        while True:
            line.send_body(b"x" * 16_384)

    return answer


def drip(first: bytes, *, every_s: float) -> Answer:
    """Send a head, then one byte every so often, without end."""

    def answer(request: Request, line: Line) -> bool:
        line.send(first)
        while True:
            line.wait(every_s)
            line.send_body(b"x")

    return answer


def hang(first: bytes = b"") -> Answer:
    """Send a head or nothing, then nothing more, and do not hang up."""

    def answer(request: Request, line: Line) -> bool:
        line.send(first)
        line.wait(STALL_S)
        return False

    return answer
