"""The roles of a repository: whose keys sign them, and how long a signature holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Root, Snapshot, Targets, Timestamp

from edgecl_export.repository.errors import RepositoryError
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT

__all__ = [
    "GROUPS",
    "RELEASE_FIELD",
    "ROOT_THRESHOLD",
    "RoleKeys",
    "check_names",
    "delegated_roles",
    "delegation",
    "delegations",
    "is_due",
    "lifetime",
    "release_keys",
]

ROOT_THRESHOLD: Final = 2
RELEASE_FIELD: Final = (
    "x-edgecl-release"  # in targets: the ids of the keys that the role of a new backbone gets
)
GROUPS: Final = ("root", "targets", "release", "online")

_LIFETIMES: Final[Mapping[str, timedelta]] = {
    Root.type: timedelta(days=3 * 365),
    Targets.type: timedelta(days=365),
    BACKBONES: timedelta(days=365),
    ROLLOUT: timedelta(days=30),
    Snapshot.type: timedelta(days=30),
    Timestamp.type: timedelta(days=7),
}
_PACKS_LIFETIME: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """The names of the keys of each group.

    Attributes:
        root: Any two of them change the keys of all groups; offline.
        targets: Any of them admits a backbone, and releases its bundle; offline.
        release: Any of them releases packs.
        online: Any of them rolls out, withdraws and keeps the repository fresh; it cannot add content.
    """

    root: tuple[str, ...] = ("root-1", "root-2", "root-3")
    targets: tuple[str, ...] = ("targets",)
    release: tuple[str, ...] = ("release",)
    online: tuple[str, ...] = ("online",)

    def __post_init__(self) -> None:
        """Check every group.

        Raises:
            RepositoryError: see `check_names`.
        """
        for group in GROUPS:
            check_names(group, getattr(self, group))

    def names(self) -> tuple[str, ...]:
        """Return all names, each once."""
        return tuple(dict.fromkeys((*self.root, *self.targets, *self.release, *self.online)))


def check_names(group: str, names: Sequence[str]) -> None:
    """Do nothing if a group may have keys of these names.

    Raises:
        RepositoryError: there are too few to reach the threshold, or one is there twice.
    """
    least = ROOT_THRESHOLD if group == "root" else 1
    if len(set(names)) != len(names) or len(names) < least:
        raise RepositoryError.at(
            f"the keys of {group}",
            found=", ".join(names) or "none",
            expected=f"at least {least}, each once",
            fix="Make keys with: edgecl keys new KEYS NAME...",
        )


def lifetime(role: str) -> timedelta:
    """Return how long a signature of a role holds."""
    return _LIFETIMES.get(role, _PACKS_LIFETIME)


def is_due(role: str, expires: datetime, now: datetime) -> bool:
    """Say whether less than a third of a role's lifetime is left."""
    return expires - now < lifetime(role) / 3


def delegation(role: str) -> DelegatedRole:
    """Return the delegation of a role, still without keys; no later role is asked for its paths."""
    paths = {BACKBONES: "backbones/*/*", ROLLOUT: "rollout/*"}
    pattern = paths.get(role) or f"packs/{role.removeprefix('bb-')}/*"
    return DelegatedRole(role, keyids=[], threshold=1, terminating=True, paths=[pattern])


def delegations(targets: Targets) -> Delegations:
    """Return to whom the targets role delegates, by name.

    Raises:
        RepositoryError: this version has not made the repository.
    """
    found = targets.delegations
    if found is None or found.roles is None or RELEASE_FIELD not in targets.unrecognized_fields:
        raise RepositoryError(
            "role targets: has no delegations of ours. Make a repository with: edgecl repo init"
        )
    return found


def delegated_roles(targets: Targets) -> dict[str, DelegatedRole]:
    """Return the roles that the targets role delegates to, by name."""
    roles = delegations(targets).roles
    return {} if roles is None else roles


def release_keys(targets: Targets) -> list[Key]:
    """Return the keys that the role of a new backbone gets."""
    return [targets.get_key(keyid) for keyid in targets.unrecognized_fields[RELEASE_FIELD]]
