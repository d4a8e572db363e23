"""Row 6: networks that are slow, silent, absent or closed: each ends in time, with a reason of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.limits import Deadline, Limits
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, ONE_TRY, PATIENT, SILENCE_IS_LATE, SLOW_IS_LATE, fetch
from tests.ota.fault_server import Answer, FaultServer, drip, hang, head, raw, status

HEAD = head(200, Content_Length=len(CONTENT))

SCRIPTED: dict[str, tuple[Answer, Limits, str]] = {
    "a body that drips": (drip(HEAD, every_s=0.05), SLOW_IS_LATE, "deadline"),
    "a head that drips": (drip(b"HTTP/1.1 200 OK\r\nX-Long: ", every_s=0.05), SLOW_IS_LATE, "deadline"),
    "chunk lengths that drip": (
        drip(head(200, Transfer_Encoding="chunked"), every_s=0.05),
        SLOW_IS_LATE,
        "deadline",
    ),
    "chunk lengths that drip on a connection that is to be closed": (
        drip(head(200, Transfer_Encoding="chunked", Connection="close"), every_s=0.05),
        SLOW_IS_LATE,
        "deadline",
    ),
    "silence before the head": (hang(), SILENCE_IS_LATE, "silence"),
    "silence after the head": (hang(HEAD), SILENCE_IS_LATE, "silence"),
    "a captive portal": (
        raw(head(200, Content_Type="text/html; charset=utf-8", Content_Length=5), b"login"),
        PATIENT,
        "captive-portal",
    ),
    "a portal that redirects": (status(302, Location="http://login.example/"), PATIENT, "redirect"),
    "something that is no web server": (raw(b"220 mail ready\r\n"), ONE_TRY, "not-http"),
}


def failure(url: str, partial: Path, limits: Limits) -> TransferError:
    with open_origin(url) as origin, pytest.raises(TransferError) as caught:
        fetch(origin, partial, limits=limits)
    return caught.value


@pytest.mark.parametrize(("answer", "limits", "reason"), SCRIPTED.values(), ids=SCRIPTED)
def test_a_bad_network_has_its_own_reason(
    answer: Answer, limits: Limits, reason: str, tmp_path: Path
) -> None:
    with FaultServer([answer]) as server:
        error = failure(server.url, tmp_path / "partial", limits)
        assert (error.reason, error.retryable, len(server.requests)) == (reason, True, 1)


def test_a_name_that_is_unknown_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("http://repository.example", tmp_path / "partial", ONE_TRY).reason == "dns"


def test_a_closed_port_is_said_to_be_one(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert failure(url, tmp_path / "partial", ONE_TRY).reason == "refused"


def test_a_server_without_tls_is_refused_where_tls_was_asked_for(tmp_path: Path) -> None:
    with FaultServer([raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")]) as server:
        url = server.url.replace("http://", "https://")
        assert failure(url, tmp_path / "partial", ONE_TRY).reason == "tls"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named_and_not_asked_again(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer([status(407)]) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxy.url)
        error = failure(f"{scheme}://repository.example", tmp_path / "partial", PATIENT)
        assert (error.reason, error.retryable, len(proxy.requests)) == ("proxy-auth", False, 1)


def test_the_deadline_is_a_grace_period_and_what_the_minimum_rate_allows() -> None:
    time = iter([100.0, 100.0, 130.0, 170.0])
    deadline = Deadline(Limits(min_rate=1000.0, grace_s=60.0), clock=lambda: next(time))
    assert deadline.remaining_s() == 60.0
    deadline.note(5000)
    assert (deadline.remaining_s(), deadline.remaining_s()) == (35.0, -5.0)
