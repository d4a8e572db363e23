"""Row 2: bodies that are too short, too long, endless or empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.errors import IntegrityError, TransferError, UpdateError
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, fetch, fetch_from
from tests.ota.fault_server import Answer, FaultServer, endless, head, raw

SIZE = len(CONTENT)
CHUNKED = head(200, Transfer_Encoding="chunked")


def chunks(content: bytes, size: int) -> bytes:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


REFUSED: dict[str, tuple[Answer, type[UpdateError], str]] = {
    "a whole answer that is short": (raw(head(200, Content_Length=9), b"x" * 9), IntegrityError, "length"),
    "one byte too many": (raw(head(200, Content_Length=SIZE + 1), CONTENT, b"x"), IntegrityError, "length"),
    "endless, and says so": (endless(head(200, Content_Length=10**12)), IntegrityError, "length"),
    "endless, and does not say": (endless(head(200)), IntegrityError, "length"),
    "endless chunks": (raw(CHUNKED, chunks(CONTENT * 2, 50_000)), IntegrityError, "length"),
    "empty, and says so": (raw(head(200, Content_Length=0)), IntegrityError, "length"),
    "nothing but a head": (raw(head(200, Content_Length=SIZE)), TransferError, "dropped"),
    "chunks that end early": (raw(CHUNKED, chunks(CONTENT[:999], 500), b"0\r\n\r\n"), TransferError, "short"),
}


@pytest.mark.parametrize(("answer", "error", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_body_of_another_length_is_refused(
    answer: Answer, error: type[UpdateError], reason: str, tmp_path: Path
) -> None:
    with (
        FaultServer([answer]) as server,
        open_origin(server.url) as origin,
        pytest.raises(error) as caught,
    ):
        fetch(origin, tmp_path / "partial")
    assert caught.value.reason == reason
    assert origin.received <= SIZE + 65_536


def test_a_length_that_is_no_number_is_passed_over(tmp_path: Path) -> None:
    fetch_from([raw(head(200, Content_Length="many"), CONTENT)], tmp_path / "partial")


def test_a_chunked_answer_is_as_good_as_another(tmp_path: Path) -> None:
    fetch_from([raw(CHUNKED, chunks(CONTENT, 7_000), b"0\r\n\r\n")], tmp_path / "partial")


def test_an_empty_file_needs_no_request(tmp_path: Path) -> None:
    server = fetch_from([raw(b"")], tmp_path / "partial", content=b"")
    assert server.requests == []
