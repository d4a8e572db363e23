"""Row 3: a connection that drops anywhere is taken up again where it dropped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import fetch, fetch_from
from tests.ota.fault_server import FaultServer, drop_after, serve

PACK = random.Random(3).randbytes(1 << 20)
BOUNDARIES = range(0, len(PACK) + 1, 65_536)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_drop_costs_no_byte_twice(boundary: int, tmp_path: Path) -> None:
    server = fetch_from([drop_after(PACK, boundary), serve(PACK)], tmp_path / "partial", content=PACK)
    assert server.sent <= 1.02 * len(PACK)


def test_five_drops_in_a_row_are_not_three_failures(tmp_path: Path) -> None:
    server = fetch_from([drop_after(PACK, 200_000)] * 5 + [serve(PACK)], tmp_path / "partial", content=PACK)
    assert [request.start for request in server.requests] == [0, *range(200_000, 1_000_001, 200_000)]
    assert (server.sent, server.most_open_lines) == (len(PACK), 1)


def test_what_came_before_a_failure_is_there_for_the_next_call(tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with FaultServer([drop_after(PACK, 70_000), drop_after(PACK, 0)]) as server:
        with open_origin(server.url) as origin, pytest.raises(TransferError, match="dropped"):
            fetch(origin, partial, content=PACK)
        assert partial.read_bytes() == PACK[:70_000]
    later = fetch_from([serve(PACK)], partial, content=PACK)
    assert later.sent == len(PACK) - 70_000


def test_a_server_that_hands_out_crumbs_is_given_up(tmp_path: Path) -> None:
    with (
        FaultServer([drop_after(PACK, 100)]) as server,
        open_origin(server.url) as origin,
        pytest.raises(TransferError, match="dropped"),
    ):
        fetch(origin, tmp_path / "partial", content=PACK)
    assert len(server.requests) == 3
