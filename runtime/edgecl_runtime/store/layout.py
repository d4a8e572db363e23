"""Where everything lies in the folder of a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The names in the folder of a store; none of them ever comes from a network."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the one process that writes."""
        return self.folder / "lock"

    @property
    def state(self) -> Path:
        """What decides what runs."""
        return self.folder / "active.json"

    @property
    def high_water(self) -> Path:
        """What metadata was accepted so far."""
        return self.folder / "highwater.json"

    @property
    def journal(self) -> Path:
        """What happened."""
        return self.folder / "journal.jsonl"

    @property
    def contents(self) -> Path:
        """Contents by sha256."""
        return self.folder / "store"

    @property
    def partials(self) -> Path:
        """Contents that are being fetched, by sha256."""
        return self.folder / "partial"

    @property
    def views(self) -> Path:
        """Bundles as folders, by the sha256 of their bundle.json."""
        return self.folder / "bundles"

    @property
    def metadata(self) -> Path:
        """Signed metadata that was fetched; it can be fetched again."""
        return self.folder / "tuf"

    @property
    def subfolders(self) -> tuple[Path, ...]:
        """Every folder in it."""
        return (self.contents, self.partials, self.views, self.metadata)
