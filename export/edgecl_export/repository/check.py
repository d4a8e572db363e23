"""Looking at a whole repository as its readers do: signatures, hashes, expiry, and what nobody lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from edgecl_export.repository.listing import Release, all_releases, rollouts
from edgecl_export.repository.publish import Content
from edgecl_export.repository.roles import is_due
from edgecl_export.repository.tree import METADATA, TARGETS, Tree, metadata_name, read_tree, target_name
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT, Rollout

__all__ = ["RepositoryReport", "RoleState", "check_repository"]

_LARGEST_ROLE: Final = 100_000
_VERSIONED: Final = re.compile(r"([0-9]+)\.(.+)\.json")


@dataclass(frozen=True, slots=True)
class RoleState:
    """One role.

    Attributes:
        name: Of the role.
        version: Of its newest signature.
        signatures: Valid ones, each of another of its keys.
        threshold: Valid signatures that it needs.
        expires: When readers refuse it.
        state: "fresh", "due" (less than a third of its lifetime is left) or "expired".
        size_bytes: Of its metadata.
        targets: Files that it lists.
    """

    name: str
    version: int
    signatures: int
    threshold: int
    expires: datetime
    state: str
    size_bytes: int
    targets: int


@dataclass(frozen=True, slots=True)
class RepositoryReport:
    """What was found. Every signature and hash of the metadata was right, otherwise there is no report.

    Attributes:
        roles: Each role, the root first.
        releases: All packs and bundles.
        rollouts: Those that not everybody gets.
        device_metadata_bytes: The most that a device fetches to know what is new for its backbone.
        superseded: Older versions of roles that are kept for readers who are in the middle of an update.
        damaged: Listed files that are missing or have other bytes.
        orphans: Files that no role lists; what a publication that was cut off has left is among them.
        notes: What will become a trouble.
    """

    roles: tuple[RoleState, ...]
    releases: tuple[Release, ...]
    rollouts: tuple[Rollout, ...]
    device_metadata_bytes: int
    superseded: int
    damaged: tuple[str, ...]
    orphans: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """5 if a file is damaged, 1 if a role has expired, else 0."""
        if self.damaged:
            return 5
        return int(any(role.state == "expired" for role in self.roles))


def check_repository(folder: Path, *, now: datetime) -> RepositoryReport:
    """Return what there is to say about the repository in a folder.

    Raises:
        RepositoryTamperedError: a signature, or a hash of metadata, is wrong.
        RepositoryError: there is no repository, or metadata is missing.
        ReleaseError: a signed record is not one that this version writes.
    """
    tree = read_tree(folder)
    roles = tuple(_role_states(tree, now))
    listed = {
        target_name(target): target for role in tree.targets_roles() for target in role.targets.values()
    }
    damaged = tuple(
        name for name, target in listed.items() if _sha256(folder / name) != target.hashes["sha256"]
    )
    current = {metadata_name(name, signed.version) for name, signed in tree.signed().items()}
    superseded, orphans = _unlisted(folder, tree, current | set(listed))
    records = rollouts(tree.roles[ROLLOUT].signed)
    return RepositoryReport(
        roles=roles,
        releases=tuple(all_releases(tree)),
        rollouts=tuple(records.values()),
        device_metadata_bytes=_device_bytes(roles),
        superseded=superseded,
        damaged=damaged,
        orphans=orphans,
        notes=tuple(_notes(roles, orphans)),
    )


def _role_states(tree: Tree, now: datetime) -> Iterator[RoleState]:
    for name, metadata in tree.metadata().items():
        signed = metadata.signed
        found = tree.vouching(name).get_verification_result(name, metadata.signed_bytes, metadata.signatures)
        yield RoleState(
            name=name,
            version=signed.version,
            signatures=len(found.signed),
            threshold=found.threshold,
            expires=signed.expires,
            state=_state(name, signed.expires, now),
            size_bytes=(tree.folder / metadata_name(name, signed.version)).stat().st_size,
            targets=len(signed.targets) if isinstance(signed, Targets) else 0,
        )


def _state(name: str, expires: datetime, now: datetime) -> str:
    if expires <= now:
        return "expired"
    return "due" if is_due(name, expires, now) else "fresh"


def _sha256(path: Path) -> str | None:
    return Content.of(path).sha256 if path.is_file() else None


def _unlisted(folder: Path, tree: Tree, listed: set[str]) -> tuple[int, tuple[str, ...]]:
    """Return how many older versions there are, and the files that belong to nothing."""
    versions = {name: signed.version for name, signed in tree.signed().items()}
    superseded, orphans = 0, []
    for path in sorted(path for part in (METADATA, TARGETS) for path in (folder / part).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in listed:
            continue
        found = _VERSIONED.fullmatch(name.removeprefix(f"{METADATA}/"))
        if found is not None and int(found[1]) < versions.get(found[2], 0):
            superseded += 1
        else:
            orphans.append(name)
    return superseded, tuple(orphans)


def _device_bytes(roles: tuple[RoleState, ...]) -> int:
    common = {Root.type, Timestamp.type, Snapshot.type, Targets.type, BACKBONES, ROLLOUT}
    sizes = [role.size_bytes for role in roles if role.name not in common]
    return sum(role.size_bytes for role in roles if role.name in common) + max(sizes, default=0)


def _notes(roles: tuple[RoleState, ...], orphans: tuple[str, ...]) -> Iterator[str]:
    for role in roles:
        if role.state != "fresh":
            yield f"role {role.name}: {role.state}; sign it anew with: edgecl repo resign REPO --role {role.name}"
        if role.size_bytes > _LARGEST_ROLE:
            yield f"role {role.name}: {role.size_bytes} bytes, which every device of it fetches with each change"
    if orphans:
        yield f"{len(orphans)} files that no role lists, left by a publication that was cut off or put there by others"
