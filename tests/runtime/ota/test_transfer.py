from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from edgecl_runtime.errors import InputError, QuotaError, StoreError, TransferError
from edgecl_runtime.ota.limits import ByteBudget, Deadline
from edgecl_runtime.ota.origin import Body, open_origin
from edgecl_runtime.ota.transfer import Item, download

CONTENT = bytes(range(256)) * 800
ITEM = Item("targets/a%20b", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@dataclass
class OneFile:
    """An origin that has one file."""

    content: bytes = CONTENT
    requests: int = 0
    received: int = 0
    server_time: datetime | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __enter__(self) -> OneFile:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def open(self, path: str, *, start: int = 0, deadline: Deadline) -> Iterator[Body]:
        self.asked.append((path, start))
        rest = self.content[start:]
        yield Body(start, len(self.content), (rest[at : at + 65_536] for at in range(0, len(rest), 65_536)))


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    (tmp_path / "drive" / "targets").mkdir(parents=True)
    (tmp_path / "drive" / "targets" / "a b").write_bytes(CONTENT)
    return tmp_path / "drive"


def test_a_file_comes_from_a_drive_as_from_a_server(drive: Path, tmp_path: Path) -> None:
    with open_origin(drive) as origin:
        download(origin, ITEM, tmp_path / "partial")
    assert (tmp_path / "partial").read_bytes() == CONTENT
    assert (origin.requests, origin.received) == (1, len(CONTENT))


def test_a_file_is_resumed_from_a_drive(drive: Path, tmp_path: Path) -> None:
    (tmp_path / "partial").write_bytes(CONTENT[:-100])
    with open_origin(drive) as origin:
        download(origin, ITEM, tmp_path / "partial")
    assert (origin.received, (tmp_path / "partial").read_bytes()) == (100, CONTENT)


def test_a_file_that_is_not_on_the_drive_is_not_asked_for_again(drive: Path, tmp_path: Path) -> None:
    (drive / "targets" / "a b").unlink()
    with open_origin(drive) as origin, pytest.raises(TransferError) as caught:
        download(origin, ITEM, tmp_path / "partial")
    assert (caught.value.reason, caught.value.retryable, origin.requests) == ("http-404", False, 1)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="http"):
        open_origin(tmp_path / "nowhere")


@pytest.mark.parametrize("address", ["http://", "https://host/?a=b", "http://user:pw@host/"])
def test_an_address_with_more_than_host_and_path_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        open_origin(address)


def test_a_budget_that_is_too_small_costs_no_byte(tmp_path: Path) -> None:
    origin, budget = OneFile(), ByteBudget(len(CONTENT) - 1)
    with pytest.raises(QuotaError) as caught:
        download(origin, ITEM, tmp_path / "partial", budget=budget)
    assert (caught.value.reason, origin.asked) == ("byte-budget", [])


def test_a_budget_counts_what_is_missing_alone(tmp_path: Path) -> None:
    (tmp_path / "partial").write_bytes(CONTENT[:-100])
    budget = ByteBudget(150)
    download(OneFile(), ITEM, tmp_path / "partial", budget=budget)
    assert budget.left == 50


def test_a_server_cannot_make_a_device_spend_more_than_its_budget(tmp_path: Path) -> None:
    (tmp_path / "partial").write_bytes(bytes(100_000))
    budget = ByteBudget(len(CONTENT))
    with pytest.raises(QuotaError):
        download(OneFile(), ITEM, tmp_path / "partial", budget=budget)
    assert -65_536 <= budget.left < 0


class FullDisk(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", lambda *_: FullDisk())
    with pytest.raises(StoreError) as caught:
        download(OneFile(), ITEM, tmp_path / "partial")
    assert (caught.value.reason, caught.value.retryable) == ("disk-full", True)


def test_a_folder_that_is_gone_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        download(OneFile(), ITEM, tmp_path / "gone" / "partial")
    assert caught.value.reason == "store"


def test_another_digest_than_sha256_is_checked_as_well(tmp_path: Path) -> None:
    item = Item("a", len(CONTENT), hashlib.sha512(CONTENT).hexdigest(), "sha512")
    download(OneFile(), item, tmp_path / "partial")
    assert (tmp_path / "partial").read_bytes() == CONTENT
