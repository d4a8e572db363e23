"""A signed repository on this machine and a device that follows it: how the demo's last pack arrives."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from securesystemslib.signer import CryptoSigner, Signer

from edgecl_export.repository import Keyring, RoleKeys, add_releases, create_repository
from edgecl_runtime.ota import Report, Updater
from edgecl_runtime.ota.setup import set_up

__all__ = ["LocalRepository", "update"]


class LocalRepository:
    """A repository that is served on loopback while it is entered. Its keys are never written, and end with it.

    Args:
        folder: Where to make it.
    """

    def __init__(self, folder: Path) -> None:
        signers = {name: CryptoSigner.generate_ed25519() for name in RoleKeys().names()}
        keys = {name: signer.public_key for name, signer in signers.items()}
        openers = {signer.public_key.keyid: partial(_itself, signer) for signer in signers.values()}
        self._folder = folder
        self._keyring = Keyring(keys, openers)
        create_repository(folder, self._keyring, keys=RoleKeys(), now=_now())
        handler = partial(_QuietHandler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> LocalRepository:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def set_up(self, store: Path) -> Updater:
        """Return the updater of a new device that follows this repository."""
        address = f"http://127.0.0.1:{self._server.server_port}"
        set_up(store, repository=address, root=self._folder / "metadata" / "1.root.json")
        return Updater(store)

    def release(self, path: Path) -> None:
        """Release a pack, or a bundle with the packs beside it."""
        add_releases(self._folder, self._keyring, [path], now=_now())


def update(updater: Updater) -> Report:
    """Return the report of an update, or raise the first error in it."""
    report = updater.poll()
    for error in report.errors:
        raise error
    return report


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def _itself(signer: Signer) -> Signer:
    return signer


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
