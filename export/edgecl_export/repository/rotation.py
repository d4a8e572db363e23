"""Exchanging the keys of a group; readers meet no moment at which old and new do not fit together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from edgecl_export.repository.edition import Edition, open_edition
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.roles import RELEASE_FIELD, check_names, delegated_roles, delegations
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT

__all__ = ["rotate"]


def rotate(
    folder: Path, keyring: Keyring, group: str, names: Sequence[str], *, now: datetime
) -> tuple[str, ...]:
    """Give a group other keys, and return the roles that were signed.

    With the old keys still at hand, what readers fetch meanwhile is signed by both. Without them (lost keys), a
    reader may be refused for the moment between two files; if that is cut off, the same command takes it up again.

    Args:
        folder: The repository.
        keyring: Has the new keys, and those that vouch for the group: of root for root, targets and online; of targets
            for targets, release and online; of online always but for root.
        group: "root", "targets", "release" or "online".
        names: All keys that the group has from now on.
        now: The time of signing.

    Raises:
        MissingKeysError: keys are not at hand. Nothing was published.
        RepositoryError: a key is unknown, or they are too few.
    """
    check_names(group, names)
    keys = [keyring.key(name) for name in names]
    with open_edition(folder, keyring, now=now, root_may_be_ahead=True) as edition:
        _EXCHANGES[group](edition, keys)
        return edition.publish()


def _exchange_root(edition: Edition, keys: list[Key]) -> None:
    _set_root_keys(edition.change_root(), Root.type, keys)


def _exchange_targets(edition: Edition, keys: list[Key]) -> None:
    _set_root_keys(edition.change_root(), Targets.type, keys)
    _set_delegated_keys(edition.change(Targets.type), [BACKBONES], keys)
    edition.change(BACKBONES)


def _exchange_release(edition: Edition, keys: list[Key]) -> None:
    targets = edition.change(Targets.type)
    roles = [name for name in delegated_roles(targets) if name not in (BACKBONES, ROLLOUT)]
    targets.unrecognized_fields[RELEASE_FIELD] = [key.keyid for key in keys]
    _set_delegated_keys(targets, roles, keys)
    for role in roles:
        edition.change(role)


def _exchange_online(edition: Edition, keys: list[Key]) -> None:
    root = edition.change_root()
    for role in (Snapshot.type, Timestamp.type):
        _set_root_keys(root, role, keys)
    _set_delegated_keys(edition.change(Targets.type), [ROLLOUT], keys)
    edition.change(ROLLOUT)


_EXCHANGES = {
    "root": _exchange_root,
    "targets": _exchange_targets,
    "release": _exchange_release,
    "online": _exchange_online,
}


def _set_root_keys(root: Root, role: str, keys: list[Key]) -> None:
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    for key in keys:
        root.add_key(key, role)


def _set_delegated_keys(targets: Targets, roles: Iterable[str], keys: list[Key]) -> None:
    delegated = delegated_roles(targets)
    for role in roles:
        delegated[role].keyids = [key.keyid for key in keys]
    found = delegations(targets)
    known = found.keys | {key.keyid: key for key in keys}
    used = {keyid for role in delegated.values() for keyid in role.keyids}
    used.update(targets.unrecognized_fields[RELEASE_FIELD])
    found.keys = {keyid: key for keyid, key in known.items() if keyid in used}
