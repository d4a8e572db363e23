"""From the repository into the store: what is missing, after room was made for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgecl_runtime.ota.limits import ByteBudget
from edgecl_runtime.ota.origin import Origin
from edgecl_runtime.ota.plan import Content
from edgecl_runtime.ota.transfer import Item, download
from edgecl_runtime.store import Store

__all__ = ["Fetcher"]


class Places(Protocol):
    """Knows where a repository keeps its files."""

    def location(self, path: str, sha256: str) -> str:
        """Return the path of a target's file below the repository."""


class Fetcher:
    """Fetches contents into a store.

    Args:
        store: Where they go.
        places: Knows where they lie.
        origin: Where they come from.
        budget: What is left of today's bytes, or None for no bound.
    """

    def __init__(self, store: Store, places: Places, origin: Origin, budget: ByteBudget | None) -> None:
        self._store, self._places, self._origin, self._budget = store, places, origin, budget

    def fetch(self, contents: Sequence[Content]) -> None:
        """Make the store hold these contents; what it has already is not asked for.

        Raises:
            QuotaError: there is no room, or no bytes are left for today.
            TransferError: the network, the server or the drive did not deliver; what came is kept to be continued.
            IntegrityError: the bytes are not what was signed.
            StoreError: the store cannot be written.
        """
        wanted = {content.sha256: content for content in contents if not self._store.has(content.sha256)}
        if not wanted:
            return
        self._store.reserve({sha256: content.length for sha256, content in wanted.items()})
        for sha256, content in wanted.items():
            place = self._places.location(content.path, sha256)
            item = Item(place, content.length, sha256)
            download(self._origin, item, self._store.partial_path(sha256), budget=self._budget)
            self._store.adopt(sha256, content.length)
