"""Downloads from scripted servers, with little patience and without sleeping."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from edgecl_runtime.ota.limits import ByteBudget, Limits
from edgecl_runtime.ota.origin import Origin, open_origin
from edgecl_runtime.ota.transfer import Item, download
from tests.ota.fault_server import Answer, FaultServer

CONTENT = random.Random(1).randbytes(300_000)
PATIENT = Limits(grace_s=30.0, silence_s=10.0)
ONE_TRY = Limits(grace_s=30.0, silence_s=10.0, tries=1)
SLOW_IS_LATE = Limits(grace_s=0.5, silence_s=10.0, min_rate=1e6)
SILENCE_IS_LATE = Limits(grace_s=30.0, silence_s=0.2, tries=1)


def item_of(content: bytes) -> Item:
    return Item("targets/packs/a.ecpack", len(content), hashlib.sha256(content).hexdigest())


def fetch(
    origin: Origin,
    partial: Path,
    *,
    content: bytes = CONTENT,
    item: Item | None = None,
    limits: Limits = PATIENT,
    budget: ByteBudget | None = None,
    waits: list[float] | None = None,
) -> bytes:
    """Return what was downloaded; the seconds that would have been slept go to `waits`."""
    slept = [] if waits is None else waits
    download(
        origin,
        item or item_of(content),
        partial,
        limits=limits,
        budget=budget,
        sleep=slept.append,
        draw=lambda: 0.5,
    )
    return partial.read_bytes()


def fetch_from(
    answers: list[Answer],
    partial: Path,
    *,
    content: bytes = CONTENT,
    limits: Limits = PATIENT,
    budget: ByteBudget | None = None,
    waits: list[float] | None = None,
) -> FaultServer:
    """Return a scripted server after one download from it came out right."""
    with FaultServer(answers) as server, open_origin(server.url) as origin:
        found = fetch(origin, partial, content=content, limits=limits, budget=budget, waits=waits)
    assert found == content
    return server
