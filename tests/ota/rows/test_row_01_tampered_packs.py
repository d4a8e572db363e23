"""Row 1: a pack that was changed anywhere is refused, and nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecl_runtime.errors import IntegrityError
from edgecl_runtime.ota.origin import open_origin
from tests.ota.downloads import CONTENT, fetch
from tests.ota.fault_server import FaultServer, serve
from tests.ota.simulator import MemoryOrigin

END = len(CONTENT)
PLACES = {"the header": 9, "the payload": END // 2, "the tail": END - 3}


def flipped(at: int, mask: int) -> bytes:
    return CONTENT[:at] + bytes([CONTENT[at] ^ mask]) + CONTENT[at + 1 :]


def changed(at: int, length: int) -> bytes:
    return CONTENT[:at] + bytes(length) + CONTENT[at + length :]


TAMPERED = {
    **{f"one low bit in {name}": flipped(at, 0x01) for name, at in PLACES.items()},
    **{f"one high bit in {name}": flipped(at, 0x80) for name, at in PLACES.items()},
    **{f"three bytes of {name}": changed(at, 3) for name, at in PLACES.items()},
    "a whole chunk": changed(65_536, 65_536),
    "everything but the length": bytes(END),
    "two bytes swapped": CONTENT[:100] + CONTENT[101:102] + CONTENT[100:101] + CONTENT[102:],
}


@pytest.mark.parametrize("content", TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_pack_is_refused_and_deleted(content: bytes, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    with (
        FaultServer([serve(content)]) as server,
        open_origin(server.url) as origin,
        pytest.raises(IntegrityError) as caught,
    ):
        fetch(origin, partial)
    assert (caught.value.reason, len(server.requests), partial.exists()) == ("hash", 1, False)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, END - 1), mask=st.integers(1, 255))
def test_a_change_of_any_byte_is_refused(tmp_path: Path, at: int, mask: int) -> None:
    partial = tmp_path / "partial"
    origin = MemoryOrigin({"targets/packs/a.ecpack": flipped(at, mask)})
    with pytest.raises(IntegrityError):
        fetch(origin, partial)
    assert not partial.exists()
