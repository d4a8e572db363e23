"""What can go wrong between a device and a server, each with its own reason code."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from urllib3 import exceptions

from edgecl_runtime.errors import TransferError

__all__ = ["NETWORK_ERRORS", "REASONS", "network_error", "refused_answer"]

# ValueError: a port or a length in an answer that is no number.
NETWORK_ERRORS = (exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)

_FOR_NOW: Final = frozenset({408, 416, 425, 429})
_CHECK: Final = "Check the address, and the repository with: edgecl repo check"
_ADVICE: Final = {
    "proxy-auth": "Give the proxy a login: http://USER:PASSWORD@HOST:PORT in https_proxy.",
    "redirect": "Name the address that the server redirects to.",
}
_EXPECTED: Final = "an answer"


def network_error(where: str, error: Exception, *, is_over: bool) -> TransferError:
    """Return the TransferError for what a connection raised; `is_over` says that the deadline had passed."""
    if is_over:
        return TransferError(
            where,
            found="fewer bytes than the minimum rate brings",
            expected="the file before its deadline",
            reason="deadline",
        )
    reason = _reason(error)
    return TransferError(
        where,
        found=f"{reason} ({str(error)[:200]})",
        expected=_EXPECTED,
        reason=reason,
        advice=_ADVICE.get(reason, ""),
        retryable=reason != "proxy-auth",
    )


def _reason(error: BaseException) -> str:
    text = str(error)
    if "Tunnel connection failed" in text:
        return "proxy-auth" if " 407" in text else "proxy"
    for kinds, reason in REASONS:
        if isinstance(error, kinds) or isinstance(error.__cause__, kinds):
            return reason
    return "dropped"


REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((exceptions.NameResolutionError,), "dns"),
    ((exceptions.SSLError, ssl.SSLError), "tls"),
    ((ConnectionRefusedError,), "refused"),
    # It is a kind of ConnectTimeoutError, so it stands before it.
    ((exceptions.NewConnectionError,), "unreachable"),
    ((exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError, TimeoutError), "silence"),
    ((http.client.RemoteDisconnected, ConnectionError), "dropped"),
    ((http.client.BadStatusLine, http.client.LineTooLong, ValueError), "not-http"),
)


def refused_answer(status: int, headers: Mapping[str, str], where: str) -> TransferError | None:
    """Return why an answer is not the file that was asked for, or None if it may be."""
    if status in (200, 206):
        return _refused_content(headers, where)
    reason = {407: "proxy-auth", 416: "range"}.get(status, f"http-{status}")
    if 300 <= status < 400:
        reason = "redirect"
    is_final = 400 <= status < 500 and status not in _FOR_NOW
    return TransferError(
        where,
        found=f"status {status}",
        expected="status 200",
        reason=reason,
        advice=_ADVICE.get(reason, _CHECK if is_final else ""),
        retryable=not is_final,
        retry_after_s=_retry_after_s(headers.get("Retry-After", "")),
    )


def _refused_content(headers: Mapping[str, str], where: str) -> TransferError | None:
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        return TransferError(
            where, found=f"the encoding {encoding[:32]}", expected="the file as it is", reason="encoding"
        )
    if headers.get("Content-Type", "").strip().lower().startswith("text/html"):
        return TransferError(
            where,
            found="a page in HTML",
            expected="the file",
            reason="captive-portal",
            advice="Log this network in, or ask the server not to answer with pages.",
        )
    return None


def _retry_after_s(header: str) -> float | None:
    if re.fullmatch(r"[0-9]{1,6}", header):
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
