"""A copy of a repository for devices without a network: the same files, the same signatures."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tuf.api.metadata import MetaFile, Root, Signed, Snapshot, Timestamp

from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.publish import Content, write_contents
from edgecl_export.repository.signing import require_keys, sign
from edgecl_export.repository.tree import Tree, metadata_name, read_tree, target_name
from edgecl_runtime.ota.release import ROLLOUT

__all__ = ["LONGEST_DAYS", "UsbCopy", "copy_for_usb"]

LONGEST_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class UsbCopy:
    """What was written: how many files, their bytes, and until when devices accept them."""

    files: int
    size_bytes: int
    valid_until: datetime


def copy_for_usb(
    folder: Path, out: Path, *, keyring: Keyring, now: datetime, days: int | None = None
) -> UsbCopy:
    """Write a copy of all that a repository releases now, the timestamp last.

    Args:
        folder: The repository.
        out: The folder to write; an older copy in it is brought up to date, and stays whole if that is cut off.
        keyring: Has a key of online if `days` are given; may be empty otherwise.
        now: The time of signing.
        days: Let the online roles of the copy hold so long, at most `LONGEST_DAYS`. Their versions stay, so the copy is
            nothing new to a device that has seen them online. None: as long as online.

    Raises:
        MissingKeysError: the key of online is not at hand.
        RepositoryError: there is no repository, or a file of it is damaged.
    """
    tree = read_tree(folder)
    metadata = {name: _metadata_content(tree, name, signed) for name, signed in tree.signed().items()}
    expires = {name: signed.expires for name, signed in tree.signed().items()}
    if days is not None:
        until = (now + timedelta(days=days)).replace(microsecond=0)
        extended = _extended(tree, keyring, until)
        metadata |= extended
        expires |= dict.fromkeys(extended, until)
    contents = _targets(tree) | _older_roots(tree)
    for name in _order(metadata):
        contents[metadata_name(name, tree.signed()[name].version)] = metadata[name]
    write_contents(out, contents)
    return UsbCopy(len(contents), sum(each.length for each in contents.values()), min(expires.values()))


def _extended(tree: Tree, keyring: Keyring, until: datetime) -> dict[str, Content]:
    """Return rollout, snapshot and timestamp of the same versions that hold until a later time."""
    rollout = _resealed(tree, keyring, ROLLOUT, deepcopy(tree.roles[ROLLOUT].signed), until)
    snapshot = deepcopy(tree.snapshot.signed)
    snapshot.meta[f"{ROLLOUT}.json"] = _meta(snapshot.meta[f"{ROLLOUT}.json"], rollout)
    sealed_snapshot = _resealed(tree, keyring, Snapshot.type, snapshot, until)
    timestamp = deepcopy(tree.timestamp.signed)
    timestamp.snapshot_meta = _meta(timestamp.snapshot_meta, sealed_snapshot)
    sealed_timestamp = _resealed(tree, keyring, Timestamp.type, timestamp, until)
    return {ROLLOUT: rollout, Snapshot.type: sealed_snapshot, Timestamp.type: sealed_timestamp}


def _resealed(tree: Tree, keyring: Keyring, name: str, signed: Signed, until: datetime) -> Content:
    keys = tree.vouching(name).get_delegated_role(name)
    require_keys(name, keys, keyring)
    signed.expires = until
    return Content.of(sign(signed, keys.keyids, keyring))


def _meta(before: MetaFile, content: Content) -> MetaFile:
    return MetaFile(before.version, content.length, {"sha256": content.sha256})


def _metadata_content(tree: Tree, name: str, signed: Signed) -> Content:
    return Content.of(tree.folder / metadata_name(name, signed.version))


def _targets(tree: Tree) -> dict[str, Content]:
    return {
        target_name(target): Content(
            tree.folder / target_name(target), target.hashes["sha256"], target.length
        )
        for role in tree.targets_roles()
        for target in role.targets.values()
    }


def _older_roots(tree: Tree) -> dict[str, Content]:
    names = [metadata_name(Root.type, version) for version in range(1, tree.root.signed.version)]
    return {name: Content.of(tree.folder / name) for name in names}


def _order(names: dict[str, Content]) -> list[str]:
    last = (Snapshot.type, Timestamp.type)
    return [name for name in names if name not in last] + list(last)
