"""How much a store may hold, and what goes when there is no room."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from edgecl_runtime.errors import QuotaError
from edgecl_runtime.store.contents import Contents
from edgecl_runtime.store.files import Files
from edgecl_runtime.store.views import Views

__all__ = ["SPARE_BYTES", "Space"]

SPARE_BYTES: Final = 8_000_000


class Space:
    """The room for contents: at most `quota_bytes`, and no more than the disk has."""

    def __init__(
        self, files: Files, folder: Path, *, contents: Contents, views: Views, quota_bytes: int
    ) -> None:
        self._files = files
        self._folder = folder
        self._contents = contents
        self._views = views
        self._quota_bytes = quota_bytes

    def collect(
        self, *, contents: Collection[str], bundles: Collection[str], partials: Collection[str] = ()
    ) -> int:
        """Remove everything but these, and return how many bytes that freed.

        What is half fetched goes first, then views, then contents: a cut in between leaves nothing that hurts.
        """
        freed = 0
        for sha256, size in self._contents.partial_sizes().items():
            if sha256 not in partials:
                self._contents.remove_partial(sha256)
                freed += size
        self._views.remove_all_but(bundles)
        for sha256, size in self._contents.sizes().items():
            if sha256 not in contents:
                self._contents.remove(sha256)
                freed += size
        return freed

    def check(self, wanted: Mapping[str, int]) -> None:
        """Return if contents, sizes by sha256, fit: what is left to fetch, a tenth more, and 8 MB to work with.

        Raises:
            QuotaError: they do not.
        """
        partial = self._contents.partial_sizes()
        needed = sum(
            max(0, size - partial.get(sha256, 0)) for sha256, size in self._contents.missing(wanted).items()
        )
        if not needed:
            return
        needed += needed // 10 + SPARE_BYTES
        used = sum(self._contents.sizes().values()) + sum(partial.values())
        self._require(needed, self._quota_bytes - used, "left of the quota")
        self._require(needed, self._files.free_bytes(self._folder), "free on the disk")

    def _require(self, needed: int, available: int, what: str) -> None:
        if needed > available:
            raise QuotaError(
                str(self._folder), found=f"{max(0, available)} bytes {what}", expected=f"{needed} bytes"
            )
