"""Measure what going back costs a device: a local rollback, and old content that its publisher releases again.

`scripts.measure_updates` calls it. The repository is served over loopback; every file below targets/ that is asked for
counts as payload.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from securesystemslib.signer import CryptoSigner, Signer

from edgecl_export.repository import AddOptions, Keyring, RoleKeys, add_releases, create_repository
from edgecl_runtime import read_pack
from edgecl_runtime.ota import Report, Updater
from edgecl_runtime.ota.setup import set_up
from edgecl_runtime.pack import encode_pack

ROUNDS = 9


@dataclass(frozen=True, slots=True)
class GoingBack:
    """What going back cost.

    Attributes:
        rounds: How often each was done.
        revert_s: Wall time of a local rollback, the median.
        revert_slowest_s: The longest.
        revert_cpu_s: CPU time of a local rollback, the median.
        rerelease_payload_bytes: Bytes below targets/ that a device fetched when old content was released again.
        poll_without_news_requests: Requests of a poll without news.
    """

    rounds: int
    revert_s: float
    revert_slowest_s: float
    revert_cpu_s: float
    rerelease_payload_bytes: int
    poll_without_news_requests: int


class Site:
    """A repository with keys in memory, and a device that follows it over loopback."""

    def __init__(self, folder: Path, address: str) -> None:
        signers = {name: CryptoSigner.generate_ed25519() for name in RoleKeys().names()}
        keys = {name: signer.public_key for name, signer in signers.items()}
        openers = {signer.public_key.keyid: partial(_itself, signer) for signer in signers.values()}
        self._repository = folder / "repository"
        self._keyring = Keyring(keys, openers)
        create_repository(self._repository, self._keyring, keys=RoleKeys(), now=_now())
        set_up(folder / "device", repository=address, root=self._repository / "metadata" / "1.root.json")
        self.updater = Updater(folder / "device")

    def release(self, path: Path, *, again: bool = False) -> None:
        """Release a pack, or a bundle."""
        options = AddOptions(again=again)
        add_releases(self._repository, self._keyring, [path], now=_now(), options=options)

    def update(self) -> Report:
        """Let the device update itself."""
        report = self.updater.poll()
        for error in report.errors:
            raise error
        return report


class CountingHandler(SimpleHTTPRequestHandler):
    """Counts the bytes of targets."""

    payload_bytes = 0

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Open what is asked for, and note its size."""
        stream = super().send_head()
        if stream is not None and self.path.startswith("/targets/"):
            CountingHandler.payload_bytes += Path(self.translate_path(self.path)).stat().st_size
        return stream

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def measure_going_back(bundle: Path, pack: Path) -> GoingBack:
    """Return the costs for a bundle and a pack of it, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name, _served(Path(name) / "repository") as address:
        folder = Path(name)
        site = Site(folder, address)
        site.release(bundle)
        site.release(pack)
        site.update()
        task = read_pack(pack).manifest.task
        walls, cpus = [], []
        for number in range(2, 2 + ROUNDS):
            site.release(_next_version(pack, folder, number))
            site.update()
            wall, cpu = time.perf_counter(), time.process_time()
            site.updater.revert(task)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        site.release(_next_version(pack, folder, 2 + ROUNDS))
        site.update()
        before = CountingHandler.payload_bytes
        site.release(pack, again=True)
        (change,) = site.update().changes
        if change.after != hashlib.sha256(pack.read_bytes()).hexdigest():
            raise RuntimeError(f"{pack}: was released again, and {change} happened")
        return GoingBack(
            rounds=ROUNDS,
            revert_s=statistics.median(walls),
            revert_slowest_s=max(walls),
            revert_cpu_s=statistics.median(cpus),
            rerelease_payload_bytes=CountingHandler.payload_bytes - before,
            poll_without_news_requests=site.update().requests,
        )


def _next_version(pack: Path, folder: Path, number: int) -> Path:
    original = read_pack(pack)
    path = folder / f"{original.manifest.task}-{number}.ecpack"
    manifest = replace(original.manifest, version=number)
    path.write_bytes(encode_pack(manifest, original.tensors, original.probe_features))
    return path


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(CountingHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _itself(signer: Signer) -> Signer:
    return signer


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
