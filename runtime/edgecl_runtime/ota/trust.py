"""Which files a repository offers, and that somebody trusted says so.

The client of python-tuf verifies; it never fetches a pack, and its cache may be lost at any time. What must
not be lost is the high-water record of the store: with it, an old repository looks old even to an empty cache.
"""

from __future__ import annotations

import random
import time as system_time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from edgecl_runtime.errors import ReleaseError, RollbackError
from edgecl_runtime.ota.client import Client
from edgecl_runtime.ota.clock import Clock, SystemClock, TrustedTime, trusted_time
from edgecl_runtime.ota.limits import Limits
from edgecl_runtime.ota.metadata_fetcher import MetadataFetcher
from edgecl_runtime.ota.origin import Origin
from edgecl_runtime.ota.paths import BACKBONES, ROLLOUT, role_of
from edgecl_runtime.ota.release import BundleRelease, PackRelease, Rollout
from edgecl_runtime.ota.transfer import Item
from edgecl_runtime.ota.verdicts import in_our_words
from edgecl_runtime.store import HighWater

__all__ = ["HighWaterStore", "Refreshed", "Trust"]

METADATA_FOLDER: Final = "tuf"
_ALGORITHMS: Final = ("sha256", "sha512")

_Release_co = TypeVar("_Release_co", covariant=True)


class HighWaterStore(Protocol):
    """Keeps what was accepted, through power cuts."""

    def load(self) -> HighWater:
        """Return what was accepted so far."""

    def raise_to(self, accepted: HighWater) -> HighWater:
        """Make the cached metadata durable, then what it says; return the record."""


class _Build(Protocol[_Release_co]):
    def __call__(self, path: str, *, length: int, sha256: str, custom: object) -> _Release_co: ...


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found: whether there is anything new, and the version of every role."""

    is_new: bool
    versions: Mapping[str, int]


class Trust:
    """The trusted view of one repository at one moment; make a new one for each update.

    Args:
        state: The folder of the store; the metadata is cached below it.
        root: The trust anchor that came with the device: the bytes of some version of root.json.
        origin: Where the repository is.
        high_water: What was accepted so far.
        clock: Tells the time.
        limits: The patience with which metadata is fetched.

    Attributes:
        refused: Signed records that were passed over, because this runtime does not understand them.

    Raises:
        IntegrityError: `root` is not a root.
        ClockError: the clock stands before any release of this software, and nothing signed corrects it.
        StateLostError: the high-water record is gone.
    """

    def __init__(
        self,
        state: Path,
        *,
        root: bytes,
        origin: Origin,
        high_water: HighWaterStore,
        clock: Clock | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = system_time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.refused: list[ReleaseError] = []
        self._folder = state / METADATA_FOLDER
        self._origin, self._record = origin, high_water
        self._seen = high_water.load()
        self._fetcher = MetadataFetcher(origin, limits=limits or Limits(), sleep=sleep, draw=draw)
        now = (clock or SystemClock()).now()
        self._time = TrustedTime(now, now, self._seen.floor)
        with self._in_our_words():
            self._client = Client(self._folder, root, self._fetcher)
            signed = self._client.signed_at()
        floors = [floor for floor in (self._seen.floor, signed) if floor is not None]
        self._time = trusted_time(now, max(floors, default=None))
        self._client.believe(self._time.now)

    def now(self) -> datetime:
        """Return the time against which expiry is checked: the later one of the clock and any signed time."""
        return self._time.now

    def refresh(self) -> Refreshed:
        """Fetch and verify the newest metadata, and remember durably that it was seen. Once per object.

        Without news it takes two requests.

        Raises:
            TransferError: the repository cannot be reached, or does not have a file that it names.
            IntegrityError: a signature, a hash, a length or the form is wrong.
            RollbackError: something is older than what was accepted before, by this cache or any earlier one.
            FreezeError: it has expired.
            ClockError: the clock of the device says that it has expired, and the server disagrees.
            StoreError: the metadata or the record cannot be written.
        """
        self._fetcher.begin()
        with self._in_our_words():
            self._client.refresh()
        reached = self._client.reached()
        _check_nothing_is_older(self._seen, reached)
        kept = self._record.raise_to(reached)
        return Refreshed(kept.versions != self._seen.versions, reached.versions)

    def packs(self, backbone: str) -> tuple[PackRelease, ...]:
        """Return the packs that were released for a backbone, given its fingerprint; none if it has no role.

        Raises:
            UpdateError: as `refresh`.
        """
        probe = f"packs/{backbone[:12]}/-"
        return self._records(role_of(backbone), probe, PackRelease.from_custom)

    def bundles(self) -> tuple[BundleRelease, ...]:
        """Return the bundles that were released.

        Raises:
            UpdateError: as `refresh`.
        """
        return self._records(BACKBONES, f"{BACKBONES}/-/-", BundleRelease.from_custom)

    def rollouts(self) -> dict[str, Rollout]:
        """Return what is rolled out in stages or withdrawn, by the sha256 of the content.

        Raises:
            UpdateError: as `refresh`.
        """
        records = self._records(ROLLOUT, f"{ROLLOUT}/-", Rollout.from_custom)
        return {record.sha256: record for record in records}

    def find(self, path: str) -> Item | None:
        """Return what to fetch for a target path, from the most trusted role that has it; None if none has.

        Raises:
            ReleaseError: it has no sha256 and no sha512.
            UpdateError: as `refresh`.
        """
        self._fetcher.begin()
        with self._in_our_words():
            target = self._client.get_targetinfo(path)
        if target is None:
            return None
        for algorithm in _ALGORITHMS:
            if algorithm in target.hashes:
                digest = target.hashes[algorithm]
                return Item(self.location(path, digest), target.length, digest, algorithm)
        raise ReleaseError(path, found=f"hashes {', '.join(target.hashes)}", expected="a sha256")

    def location(self, path: str, digest: str) -> str:
        """Return where below the repository a target lies, percent-encoded."""
        folder, slash, name = path.rpartition("/")
        stored = f"{digest}.{name}" if self._client.is_consistent() else name
        return f"targets/{quote(folder)}{slash}{quote(stored)}"

    def _records(self, role: str, probe: str, build: _Build[_Release_co]) -> tuple[_Release_co, ...]:
        self._fetcher.begin()
        with self._in_our_words():
            targets = self._client.delegated(role, probe)
        records = []
        for path, target in sorted(targets.items()):
            if target.custom is None:
                continue
            sha256 = target.hashes.get("sha256", "")
            try:
                records.append(build(path, length=target.length, sha256=sha256, custom=target.custom))
            except ReleaseError as error:
                self.refused.append(error)
        return tuple(records)

    def _in_our_words(self) -> AbstractContextManager[None]:
        return in_our_words(self._origin, self._time)


def _check_nothing_is_older(seen: HighWater, reached: HighWater) -> None:
    # Keys that root has replaced bind no longer, else one huge version signed by a thief would end all updates.
    roles = ["root"] if seen.keys and seen.keys != reached.keys else list(seen.versions)
    for role in roles:
        lowest = seen.versions.get(role, 0)
        version = reached.versions.get(role)
        if version is None:
            raise RollbackError(
                role, found="no such role", expected=f"version {lowest}", reason="role-removed"
            )
        if version < lowest:
            raise RollbackError(
                role, found=f"version {version}", expected=f"{lowest} or higher", reason="version"
            )
