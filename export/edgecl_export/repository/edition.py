"""A change of a repository: made in memory, signed as a whole, then written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import (
    DelegatedRole,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edgecl_export.repository.errors import RepositoryError
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.publish import Content, exclusive, write_contents
from edgecl_export.repository.roles import delegated_roles
from edgecl_export.repository.signing import require_keys, sign, stamp, unborn
from edgecl_export.repository.tree import Tree, metadata_name, read_tree, target_name

__all__ = ["Edition", "open_edition"]


@contextmanager
def open_edition(
    folder: Path, keyring: Keyring, *, now: datetime, root_may_be_ahead: bool = False
) -> Iterator[Edition]:
    """Yield a change of the repository in a folder; meanwhile nobody else can change it.

    Raises:
        RepositoryBusyError: someone else is changing it.
        RepositoryError: see `read_tree`.
    """
    if not folder.is_dir():
        raise RepositoryError.at(
            folder, found="no folder", expected="a repository", fix="Make one with: edgecl repo init"
        )
    with exclusive(folder):
        yield Edition(read_tree(folder, root_may_be_ahead=root_may_be_ahead), keyring, now=now)


@dataclass(frozen=True, slots=True)
class _Sealed:
    path: str
    version: int
    content: Content

    def meta(self) -> MetaFile:
        """Return what the role that lists this one says of it."""
        return MetaFile(self.version, self.content.length, {"sha256": self.content.sha256})


class Edition:
    """The next state of a repository. Nothing is written before `publish`."""

    def __init__(self, tree: Tree, keyring: Keyring, *, now: datetime) -> None:
        self.tree, self.keyring, self.now = tree, keyring, now
        self._root: Root | None = None
        self._changed: dict[str, Targets] = {}
        self._renewed: set[str] = set()
        self._files: dict[str, Content] = {}

    def role(self, name: str) -> Targets:
        """Return a role as it will be; change it only after `change`.

        Raises:
            RepositoryError: there is no such role.
        """
        if name in self._changed:
            return self._changed[name]
        if name == Targets.type:
            return self.tree.targets.signed
        if name not in self.tree.roles:
            raise RepositoryError.at(
                f"role {name}", found="none", expected=f"one of {', '.join(self.tree.roles)}", fix="Name one"
            )
        return self.tree.roles[name].signed

    def has_role(self, name: str) -> bool:
        """Say whether the targets role delegates to a role of that name."""
        return name in self._changed or name in self.tree.roles

    def change(self, name: str) -> Targets:
        """Return a role that may be changed and is signed anew, once it is sure that its keys are at hand.

        Raises:
            MissingKeysError: they are not.
            RepositoryError: there is no such role.
        """
        found = self.role(name)
        self.renew(name, Snapshot.type, Timestamp.type)
        if name not in self._changed:
            self._changed[name] = deepcopy(found)
        return self._changed[name]

    def change_root(self) -> Root:
        """Return the root, which may be changed and is signed by its old and its new keys.

        Raises:
            MissingKeysError: the old keys are not at hand.
        """
        require_keys(Root.type, self.tree.root.signed.roles[Root.type], self.keyring)
        self._root = self._root or deepcopy(self.tree.root.signed)
        return self._root

    def renew(self, *names: str) -> None:
        """Have roles signed anew without a change of theirs: the snapshot, the timestamp.

        Raises:
            MissingKeysError: their keys are not at hand.
        """
        for name in names:
            require_keys(name, self._keys_of(name), self.keyring)
        self._renewed.update(names)

    def add_role(self, delegation: DelegatedRole, keys: Iterable[Key]) -> None:
        """Make the targets role delegate to a new, empty role.

        Raises:
            MissingKeysError: keys of either are not at hand.
        """
        targets = self.change(Targets.type)
        delegated_roles(targets)[delegation.name] = delegation
        for key in keys:
            targets.add_key(key, delegation.name)
        self._changed[delegation.name] = unborn(Targets())
        self.change(delegation.name)

    def add_file(
        self, role: str, path: str, content: Content, custom: Mapping[str, Any] | None = None
    ) -> None:
        """List a file in a role, and publish it; `custom` is what its signed record says."""
        fields = {} if custom is None else {"custom": dict(custom)}
        target = TargetFile(content.length, {"sha256": content.sha256}, path, fields)
        self.change(role).targets[path] = target
        self._files[target_name(target)] = content

    def publish(self) -> tuple[str, ...]:
        """Sign and write everything, and return the names of the roles that were signed.

        Raises:
            MissingKeysError: a role cannot be signed; nothing was written.
            SigningKeyError: a key refuses; nothing was written.
            OSError: a file cannot be written; readers still see the state before.
        """
        sealed: dict[str, _Sealed] = {}
        snapshot = deepcopy(self.tree.snapshot.signed)
        for name, role in self._changed.items():
            sealed[name] = self._seal(name, role)
            snapshot.meta[f"{name}.json"] = sealed[name].meta()
        timestamp = deepcopy(self.tree.timestamp.signed)
        if Snapshot.type in self._renewed:
            sealed[Snapshot.type] = self._seal(Snapshot.type, snapshot)
            timestamp.snapshot_meta = sealed[Snapshot.type].meta()
        if Timestamp.type in self._renewed:
            sealed[Timestamp.type] = self._seal(Timestamp.type, timestamp)
        metadata = [*sealed.values()]
        if self._root is not None:
            # Roles that old and new keys sign go first: no reader sees a root that does not vouch for them.
            at = len(metadata) if self._old_root_vouches(sealed) else 0
            sealed[Root.type] = self._seal(Root.type, self._root)
            metadata.insert(at, sealed[Root.type])
        write_contents(self.tree.folder, self._files | {each.path: each.content for each in metadata})
        return tuple(sealed)

    def _seal(self, name: str, signed: Signed) -> _Sealed:
        keys = self._keys_of(name)
        require_keys(name, keys, self.keyring)
        stamp(name, signed, self.now)
        before = self.tree.root.signed.roles[name].keyids if name in self.tree.root.signed.roles else []
        raw = sign(signed, dict.fromkeys([*keys.keyids, *before]), self.keyring)
        return _Sealed(metadata_name(name, signed.version), signed.version, Content.of(raw))

    def _old_root_vouches(self, sealed: Collection[str]) -> bool:
        roles = self.tree.root.signed.roles
        return all(
            len(self.keyring.at_hand(roles[name].keyids)) >= roles[name].threshold
            for name in sealed
            if name in roles
        )

    def _keys_of(self, name: str) -> Role:
        root = self._root or self.tree.root.signed
        if name in root.roles:
            return root.roles[name]
        return self.role(Targets.type).get_delegated_role(name)
