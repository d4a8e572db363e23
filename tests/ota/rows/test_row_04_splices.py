"""Row 4: two files are never spliced, whatever a server answers to a Range."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.errors import IntegrityError, TransferError
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, fetch, fetch_from
from tests.ota.fault_server import Answer, FaultServer, head, ignore_range, raw, serve, status

SIZE = len(CONTENT)
HALF = SIZE // 2
REST = CONTENT[HALF:]


def answer_of(content_range: str | None, body: bytes = REST, **headers: object) -> Answer:
    if content_range is not None:
        headers["Content_Range"] = content_range
    return raw(head(206, Content_Length=len(body), **headers), body)


ANSWERS = {
    "another beginning": answer_of(f"bytes 0-{SIZE - 1}/{SIZE}", CONTENT),
    "no Content-Range": answer_of(None),
    "a Content-Range that is none": answer_of("bytes many"),
    "an end before its beginning": answer_of(f"bytes {HALF}-{HALF - 1}/{SIZE}"),
    "416": status(416, Content_Range=f"bytes */{SIZE}"),
    "a compressed rest": answer_of(f"bytes {HALF}-{SIZE - 1}/{SIZE}", Content_Encoding="gzip"),
    "the rest of another file": answer_of(f"bytes {HALF}-{SIZE - 1}/{SIZE}", REST[::-1]),
}


@pytest.fixture
def half(tmp_path: Path) -> Path:
    partial = tmp_path / "partial"
    partial.write_bytes(CONTENT[:HALF])
    return partial


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_cannot_be_continued_is_fetched_anew_once(answer: Answer, half: Path) -> None:
    server = fetch_from([answer, serve(CONTENT)], half)
    assert [request.start for request in server.requests] == [HALF, 0]


def test_the_whole_file_in_answer_to_a_range_is_taken_from_its_beginning(half: Path) -> None:
    server = fetch_from([ignore_range(CONTENT)], half)
    assert (len(server.requests), server.sent) == (1, SIZE)


def test_the_rest_of_a_file_of_another_length_is_refused(half: Path) -> None:
    answer = answer_of(f"bytes {HALF}-{SIZE}/{SIZE + 1}", REST + b"x")
    with (
        FaultServer([answer]) as server,
        open_origin(server.url) as origin,
        pytest.raises(IntegrityError) as caught,
    ):
        fetch(origin, half)
    assert (caught.value.reason, half.exists()) == ("length", False)


def test_a_server_that_only_compresses_is_given_up(tmp_path: Path) -> None:
    answer = raw(head(200, Content_Length=SIZE, Content_Encoding="gzip"), CONTENT)
    with (
        FaultServer([answer]) as server,
        open_origin(server.url) as origin,
        pytest.raises(TransferError) as caught,
    ):
        fetch(origin, tmp_path / "partial")
    assert (caught.value.reason, len(server.requests)) == ("encoding", 1)
