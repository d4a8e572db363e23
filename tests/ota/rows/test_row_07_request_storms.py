"""Row 7: a server in trouble is not stormed."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.backoff import backoff_s
from edgecl_runtime.ota.limits import Limits
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, PATIENT, fetch, fetch_from
from tests.ota.fault_server import Answer, FaultServer, serve, status


def requests_until_given_up(
    answer: Answer, partial: Path, limits: Limits = PATIENT
) -> tuple[int, TransferError]:
    with FaultServer([answer]) as server, open_origin(server.url) as origin:
        with pytest.raises(TransferError) as caught:
            fetch(origin, partial, limits=limits)
        return len(server.requests), caught.value


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_refusal_of_the_client_is_final(code: int, tmp_path: Path) -> None:
    requests, error = requests_until_given_up(status(code), tmp_path / "partial")
    assert (requests, error.reason, error.retryable) == (1, f"http-{code}", False)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_trouble_of_the_server_is_tried_three_times(code: int, tmp_path: Path) -> None:
    requests, error = requests_until_given_up(status(code), tmp_path / "partial")
    assert (requests, error.reason, error.retryable) == (3, f"http-{code}", True)


def test_the_third_try_may_be_the_one_that_succeeds(tmp_path: Path) -> None:
    waits: list[float] = []
    server = fetch_from([status(503), status(429), serve(CONTENT)], tmp_path / "partial", waits=waits)
    assert (len(server.requests), waits) == (3, [0.5, 1.0])


def test_what_the_server_asks_for_is_waited_for(tmp_path: Path) -> None:
    waits: list[float] = []
    fetch_from([status(503, Retry_After=4), serve(CONTENT)], tmp_path / "partial", waits=waits)
    assert waits == [5.0]


def test_a_date_to_come_back_at_is_understood(tmp_path: Path) -> None:
    past = format_datetime(datetime.now(UTC) - timedelta(minutes=1), usegmt=True)
    waits: list[float] = []
    fetch_from([status(503, Retry_After=past), serve(CONTENT)], tmp_path / "partial", waits=waits)
    assert waits == [0.0]


def test_a_wait_beyond_the_deadline_is_left_to_the_next_poll(tmp_path: Path) -> None:
    requests, error = requests_until_given_up(status(503, Retry_After=3600), tmp_path / "partial")
    assert (requests, error.retry_after_s) == (1, 3600.0)


def test_waits_double_up_to_a_bound() -> None:
    longest = [backoff_s(attempt, draw=lambda: 1.0) for attempt in range(12)]
    assert longest[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert longest[9:] == [300, 300, 300]


@pytest.mark.parametrize("retry_after_s", [None, 60.0])
def test_a_thousand_devices_that_failed_together_come_back_apart(retry_after_s: float | None) -> None:
    draw = random.Random(7).random
    waits = [backoff_s(5, retry_after_s=retry_after_s, draw=draw) for _ in range(1000)]
    in_one_second = Counter(int(wait) for wait in waits)
    assert len(in_one_second) >= 30
    assert max(in_one_second.values()) <= 60
