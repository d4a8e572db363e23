from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgecl_runtime.errors import IntegrityError, TransferError
from edgecl_runtime.ota.limits import Deadline
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, ONE_TRY, PATIENT, SLOW_IS_LATE, fetch
from tests.ota.fault_server import (
    FaultServer,
    drip,
    drop_after,
    endless,
    hang,
    head,
    ignore_range,
    raw,
    serve,
    status,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    file = tmp_path_factory.mktemp("tls") / "loopback.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("is_trusted")
def test_a_file_comes_over_tls(tls: ssl.SSLContext, tmp_path: Path) -> None:
    answers = [drop_after(CONTENT, 100_000), serve(CONTENT)]
    with FaultServer(answers, tls=tls) as server, open_origin(server.url) as origin:
        assert fetch(origin, tmp_path / "partial") == CONTENT


@pytest.mark.usefixtures("is_trusted")
def test_a_drip_over_tls_ends_at_its_deadline(tls: ssl.SSLContext, tmp_path: Path) -> None:
    answer = drip(b"HTTP/1.1 200 OK\r\nX-Long: ", every_s=0.05)
    with (
        FaultServer([answer], tls=tls) as server,
        open_origin(server.url) as origin,
        pytest.raises(TransferError) as caught,
    ):
        fetch(origin, tmp_path / "partial", limits=SLOW_IS_LATE)
    assert caught.value.reason == "deadline"


def test_a_certificate_that_nobody_signed_is_refused(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with (
        FaultServer([serve(CONTENT)], tls=tls) as server,
        open_origin(server.url) as origin,
        pytest.raises(TransferError) as caught,
    ):
        fetch(origin, tmp_path / "partial", limits=PATIENT)
    assert (caught.value.reason, server.requests) == ("tls", [])


def test_a_refusal_with_a_page_leaves_the_connection_usable(tmp_path: Path) -> None:
    answers = [status(404, page=b"<html>no</html>", Content_Type="text/html"), serve(CONTENT)]
    with FaultServer(answers) as server, open_origin(server.url) as origin:
        with pytest.raises(TransferError):
            fetch(origin, tmp_path / "partial")
        assert fetch(origin, tmp_path / "partial") == CONTENT
        assert server.accepted == 1


def test_a_refusal_of_many_bytes_is_not_read_to_its_end(tmp_path: Path) -> None:
    with FaultServer([endless(head(404))]) as server, open_origin(server.url) as origin:
        with pytest.raises(TransferError):
            fetch(origin, tmp_path / "partial")
        assert origin.received <= 65_536


def test_what_is_left_of_a_refused_answer_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    answers = [ignore_range(CONTENT + b"x"), serve(CONTENT)]
    with FaultServer(answers) as server, open_origin(server.url) as origin:
        with pytest.raises(IntegrityError):
            fetch(origin, tmp_path / "partial")
        assert fetch(origin, tmp_path / "partial", limits=ONE_TRY) == CONTENT


def test_a_connection_that_the_server_closes_is_made_anew(tmp_path: Path) -> None:
    answers = [raw(head(404, Content_Length=0, Connection="close")), serve(CONTENT)]
    with FaultServer(answers) as server, open_origin(server.url) as origin:
        with pytest.raises(TransferError):
            fetch(origin, tmp_path / "partial")
        assert fetch(origin, tmp_path / "partial") == CONTENT
        assert server.accepted == 2


def test_the_time_of_the_server_is_remembered(tmp_path: Path) -> None:
    answers = [status(404, Date="Mon, 01 Jun 2026 12:00:00 GMT"), status(404, Date="no date")]
    with FaultServer(answers) as server, open_origin(server.url) as origin:
        for _ in range(2):
            with pytest.raises(TransferError):
                fetch(origin, tmp_path / "partial")
        assert origin.server_time == datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def test_names_are_asked_for_below_the_path_of_the_address(tmp_path: Path) -> None:
    with FaultServer([status(404)]) as server, open_origin(f"{server.url}/a/b/") as origin:
        with pytest.raises(TransferError):
            fetch(origin, tmp_path / "partial")
        assert server.requests[0].path == "/a/b/targets/packs/a.ecpack"


def test_the_device_says_what_it_is_and_asks_for_no_compression(tmp_path: Path) -> None:
    with FaultServer([serve(CONTENT)]) as server, open_origin(server.url) as origin:
        fetch(origin, tmp_path / "partial")
    headers = server.requests[0].headers
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("edgecl-runtime/")


def test_a_plain_proxy_is_given_the_whole_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([serve(CONTENT)]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with open_origin("http://repository.example/x") as origin:
            fetch(origin, tmp_path / "partial")
        assert proxy.requests[0].path == "http://repository.example/x/targets/packs/a.ecpack"


def test_a_proxy_is_given_its_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([serve(CONTENT)]) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us%65r:word@127.0.0.1:{proxy.port}")
        with open_origin("http://repository.example") as origin:
            fetch(origin, tmp_path / "partial")
        assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"


def test_a_login_to_a_proxy_is_not_given_to_the_server_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer([status(502)]) as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{proxy.port}")
        with open_origin("https://repository.example") as origin, pytest.raises(TransferError) as caught:
            fetch(origin, tmp_path / "partial", limits=ONE_TRY)
        assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
        assert (proxy.requests[0].path, caught.value.reason) == ("repository.example:443", "proxy")


def test_a_host_without_proxy_is_asked_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FaultServer([serve(CONTENT)]) as server, open_origin(server.url) as origin:
        assert fetch(origin, tmp_path / "partial", limits=ONE_TRY) == CONTENT


def test_nothing_is_asked_for_after_the_deadline(tmp_path: Path) -> None:
    times = iter([0.0, 1000.0])
    deadline = Deadline(PATIENT, clock=lambda: next(times))
    with (
        FaultServer([hang()]) as server,
        open_origin(server.url) as origin,
        pytest.raises(TransferError) as caught,
        origin.open("file", deadline=deadline),
    ):
        pass
    assert (caught.value.reason, server.requests) == ("deadline", [])


def test_a_name_look_up_that_outlives_the_deadline_leads_to_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def slow_look_up(*arguments: Any) -> Any:
        time.sleep(2 * SLOW_IS_LATE.grace_s)
        return look_up(*arguments)

    monkeypatch.setattr(socket, "getaddrinfo", slow_look_up)
    with (
        FaultServer([hang()]) as server,
        open_origin(server.url) as origin,
        pytest.raises(TransferError) as caught,
    ):
        fetch(origin, tmp_path / "partial", limits=SLOW_IS_LATE)
    assert (caught.value.reason, server.requests) == ("deadline", [])
