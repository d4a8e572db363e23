"""The client of python-tuf, opened in the few places where its face does not reach.

It verifies against a time that we choose, and shows what it has verified. It is used for metadata only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from tuf.api.metadata import Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from edgecl_runtime.ota.custom import signed_at
from edgecl_runtime.store import HighWater

__all__ = ["Client"]

_METADATA_PATH = "metadata/"


class Client(Updater):
    """Verifies the metadata of a repository from a trusted root on, and caches it in a folder."""

    def __init__(self, folder: Path, root: bytes, fetcher: FetcherInterface) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The anchor is given each time: the cache is never what trust begins with.
        super().__init__(str(folder), _METADATA_PATH, fetcher=fetcher, bootstrap=root)

    def believe(self, now: datetime) -> None:
        """Check expiry against this time."""
        self._trusted_set.reference_time = now

    def is_consistent(self) -> bool:
        """Say whether the names of targets in the repository begin with their digests."""
        return bool(self._trusted_set.root.consistent_snapshot)

    def signed_at(self) -> datetime | None:
        """Return the latest time that a verified role says it was signed at, or None if none says.

        Raises:
            ReleaseError: a role says it in a way that is no time.
        """
        times = [_signed_time(signed) for signed in self._trusted_set]
        return max((time for time in times if time is not None), default=None)

    def reached(self) -> HighWater:
        """Return the versions of all roles after a refresh, the latest signed time, and the online keys."""
        snapshot = self._trusted_set.snapshot
        versions = {name.removesuffix(".json"): info.version for name, info in snapshot.meta.items()}
        versions[Root.type] = self._trusted_set.root.version
        versions[Timestamp.type] = self._trusted_set.timestamp.version
        versions[Snapshot.type] = snapshot.version
        return HighWater(versions, self.signed_at(), self._online_keys())

    def delegated(self, role: str, probe: str) -> Mapping[str, TargetFile]:
        """Return what a role signs within the paths it was given; nothing if it was given none.

        Args:
            role: The role, delegated by the top-level targets.
            probe: A path that nobody signs, for which the role is asked.
        """
        self.get_targetinfo(probe)
        delegations = self._trusted_set.targets.delegations
        roles = (delegations and delegations.roles) or {}
        if role not in roles or not self._trusted_set.contains(role, Targets.type):
            return {}
        signed = self._trusted_set[role]
        if not isinstance(signed, Targets):
            return {}
        return {
            path: target for path, target in signed.targets.items() if roles[role].is_delegated_path(path)
        }

    def _online_keys(self) -> str:
        roles = self._trusted_set.root.roles
        names = [",".join(sorted(roles[role].keyids)) for role in (Timestamp.type, Snapshot.type)]
        return hashlib.sha256("/".join(names).encode()).hexdigest()


def _signed_time(signed: Signed) -> datetime | None:
    when = signed_at(signed.unrecognized_fields)
    # Whoever may sign until a day cannot know a later one.
    return when if when is None or when <= signed.expires.astimezone(timezone.utc) else None
