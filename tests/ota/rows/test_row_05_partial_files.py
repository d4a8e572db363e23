"""Row 5: partial files that are not a beginning of the right file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime.errors import IntegrityError
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, fetch, fetch_from
from tests.ota.fault_server import FaultServer, serve

SIZE = len(CONTENT)
PARTIALS = {
    "corrupt": bytes(100_000),
    "too long": CONTENT + b"x",
    "of another file, just as long": CONTENT[::-1],
    "corrupt in its last byte": CONTENT[:99_999] + bytes([CONTENT[99_999] ^ 1]),
}


@pytest.mark.parametrize("found", PARTIALS.values(), ids=PARTIALS)
def test_a_wrong_partial_file_costs_at_most_one_more_download(found: bytes, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    partial.write_bytes(found)
    server = fetch_from([serve(CONTENT)], partial)
    assert server.sent <= 2 * SIZE
    assert len(server.requests) <= 2


def test_a_partial_file_that_is_whole_needs_no_request(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    partial.write_bytes(CONTENT)
    server = fetch_from([serve(CONTENT)], partial)
    assert server.requests == []


def test_a_wrong_partial_file_and_a_wrong_server_end_in_a_refusal(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    partial.write_bytes(bytes(100_000))
    with (
        FaultServer([serve(bytes(SIZE))]) as server,
        open_origin(server.url) as origin,
        pytest.raises(IntegrityError),
    ):
        fetch(origin, partial)
    assert (len(server.requests), partial.exists()) == (2, False)
