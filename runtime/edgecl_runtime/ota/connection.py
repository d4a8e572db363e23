"""One connection to one server, which ends when its deadline has passed, however slowly bytes drip in.

A socket's own timeout starts again with each byte. A watch cuts the connection from another thread instead,
through a second descriptor of the socket, because TLS takes the first one over.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, make_headers, parse_url

from edgecl_runtime.errors import InputError
from edgecl_runtime.ota.limits import Deadline

__all__ = ["Connection", "Route", "Watch", "connect", "find_route"]

_SHORTEST_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a repository: its address without a slash at the end, taken apart, and the proxy to use."""

    address: str
    url: Url
    proxy: Url | None

    def target(self, path: str) -> str:
        """Return what stands in the request line for a file; an http proxy is given the whole address."""
        if self.proxy is not None and self.url.scheme == "http":
            return f"{self.address}/{path}"
        return f"{self.url.path or ''}/{path}"

    def login(self) -> dict[str, str]:
        """Return the header that logs in to the proxy; nothing if there is none, or it needs none."""
        if self.proxy is None or self.proxy.auth is None:
            return {}
        return dict(make_headers(proxy_basic_auth=unquote(self.proxy.auth)))


def find_route(address: str) -> Route:
    """Return the way to an address, through the proxy that the environment names for it.

    Raises:
        InputError: it is not an address.
    """
    try:
        url = parse_url(address.rstrip("/"))
        if url.host is None or url.query is not None or url.fragment is not None or url.auth is not None:
            raise LocationParseError(address)
        proxy = getproxies().get(url.scheme or "")
        if proxy is None or proxy_bypass(url.netloc or ""):
            return Route(url.url, url, None)
        return Route(url.url, url, parse_url(proxy))
    except LocationParseError as error:
        raise InputError(f"{address}: found no address, expected https://HOST/PATH") from error


class _Cuttable(HTTPConnection):
    """A connection that another thread can cut."""

    _twin: socket.socket | None = None
    _is_cut = False

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self.let_go()
        self._twin = connected.dup()
        if self._is_cut:
            self.cut()
        return connected

    def cut(self) -> None:
        """End whatever waits for this connection, now or when it is made."""
        self._is_cut = True
        twin = self._twin
        if twin is not None:
            with suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Close the second descriptor, which outlives `close`: an answer is read after the first one was closed."""
        if self._twin is not None:
            self._twin.close()
            self._twin = None


class _CuttableTls(_Cuttable, HTTPSConnection):
    """The same over TLS."""


Connection = _Cuttable


def connect(route: Route) -> Connection:
    """Return a connection, which is made with its first request."""
    end = route.proxy or route.url
    host, port = (end.host or "").strip("[]"), end.port
    if route.url.scheme == "http":
        return _Cuttable(host, port)
    connection = _CuttableTls(host, port, ssl_context=ssl.create_default_context())
    if route.proxy is not None:
        connection.set_tunnel((route.url.host or "").strip("[]"), route.url.port or 443, route.login())
    return connection


class Watch:
    """Cuts a connection when the deadline has passed; `is_over` says that it did. Used as a context."""

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        self.deadline = deadline
        self.is_over = False
        self._connection = connection
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._is_done = False

    def __enter__(self) -> Watch:
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_done = True
            if self._timer is not None:
                self._timer.cancel()

    def _look(self) -> None:
        with self._lock:
            if self._is_done:
                return
            remaining_s = self.deadline.remaining_s()
            if remaining_s <= 0:
                self.is_over = True
                self._connection.cut()
                return
            self._timer = threading.Timer(max(remaining_s, _SHORTEST_LOOK_S), self._look)
            self._timer.daemon = True
            self._timer.start()
