"""A new repository: root, targets that only delegate, and the roles of the online key."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Delegations, Metadata, Root, Snapshot, Targets, Timestamp

from edgecl_export.repository.edition import Edition
from edgecl_export.repository.errors import RepositoryError
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.publish import exclusive
from edgecl_export.repository.roles import RELEASE_FIELD, ROOT_THRESHOLD, RoleKeys, delegation
from edgecl_export.repository.signing import unborn
from edgecl_export.repository.tree import Tree, metadata_name
from edgecl_runtime.durable import make_folder_durably
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT

__all__ = ["create_repository"]


def create_repository(folder: Path, keyring: Keyring, *, keys: RoleKeys, now: datetime) -> tuple[str, ...]:
    """Write a repository that releases nothing yet, and return the names of its roles.

    `metadata/1.root.json` in it is what a device has to trust.

    Raises:
        RepositoryError: one is there already, or a key is unknown.
        MissingKeysError: private parts are not at hand: two of the root keys and one of every other group.
    """
    make_folder_durably(folder)
    with exclusive(folder):
        first = folder / metadata_name(Root.type, 1)
        if first.exists():
            raise RepositoryError.at(
                folder,
                found="a repository",
                expected="a new or empty folder",
                fix="Add to it with: edgecl repo add",
            )
        edition = Edition(_unsigned(folder, keyring, keys), keyring, now=now)
        edition.change_root()
        edition.change(Targets.type)
        for role, names in ((BACKBONES, keys.targets), (ROLLOUT, keys.online)):
            edition.add_role(delegation(role), [keyring.key(name) for name in names])
        return edition.publish()


def _unsigned(folder: Path, keyring: Keyring, keys: RoleKeys) -> Tree:
    root = Root(consistent_snapshot=True)
    groups = {
        Root.type: keys.root,
        Targets.type: keys.targets,
        Snapshot.type: keys.online,
        Timestamp.type: keys.online,
    }
    for role, names in groups.items():
        for name in names:
            root.add_key(keyring.key(name), role)
    root.roles[Root.type].threshold = ROOT_THRESHOLD
    release = {key.keyid: key for key in (keyring.key(name) for name in keys.release)}
    targets = Targets(delegations=Delegations(release, {}))
    targets.unrecognized_fields[RELEASE_FIELD] = list(release)
    return Tree(
        folder,
        Metadata(unborn(root)),
        Metadata(unborn(Timestamp())),
        Metadata(unborn(Snapshot())),
        Metadata(unborn(targets)),
        {},
    )
