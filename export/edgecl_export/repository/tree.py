"""Reading a published repository, every signature and hash of its metadata verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp

from edgecl_export.repository.errors import RepositoryError, RepositoryTamperedError
from edgecl_export.repository.roles import delegated_roles

__all__ = ["METADATA", "TARGETS", "Tree", "metadata_name", "read_tree", "target_name"]

METADATA: Final = "metadata"
TARGETS: Final = "targets"

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class Tree:
    """A repository at one moment.

    Attributes:
        folder: Where it lies.
        root: The newest root.
        timestamp: What a reader asks for first.
        snapshot: The versions of all the following.
        targets: Delegates to the other roles.
        roles: These roles by name.
    """

    folder: Path
    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    roles: dict[str, Metadata[Targets]]

    def metadata(self) -> dict[str, Metadata[Any]]:
        """Return every role by name, the root first."""
        top: dict[str, Metadata[Any]] = {
            Root.type: self.root,
            Timestamp.type: self.timestamp,
            Snapshot.type: self.snapshot,
            Targets.type: self.targets,
        }
        return top | self.roles

    def signed(self) -> dict[str, Signed]:
        """Return the signed part of every role by name, the root's first."""
        return {name: metadata.signed for name, metadata in self.metadata().items()}

    def targets_roles(self) -> list[Targets]:
        """Return the roles that list files."""
        return [self.targets.signed, *(role.signed for role in self.roles.values())]

    def vouching(self, name: str) -> Root | Targets:
        """Return the role that says whose keys sign another one."""
        return self.root.signed if name in self.root.signed.roles else self.targets.signed


def metadata_name(role: str, version: int) -> str:
    """Return the path of a role's file below the repository."""
    name = f"{role}.json" if role == Timestamp.type else f"{version}.{role}.json"
    return f"{METADATA}/{name}"


def target_name(target: TargetFile) -> str:
    """Return the path of a listed file below the repository.

    Raises:
        RepositoryTamperedError: it would lie elsewhere.
    """
    parts = PurePosixPath(target.path).parts
    if not parts or ".." in parts or parts[0] == "/":
        raise RepositoryTamperedError(target.path, found="that path", expected="a path below the repository")
    place, _, name = target.path.rpartition("/")
    return f"{TARGETS}/{place}/{target.hashes['sha256']}.{name}"


def read_tree(folder: Path, *, root_may_be_ahead: bool = False) -> Tree:
    """Return the repository in a folder; expired signatures count, as whoever renews them has to read them.

    Args:
        folder: Has `metadata/` and `targets/`.
        root_may_be_ahead: Also accept roles that only the root before the newest one vouches for, as they are
            after a change of keys that was cut off.

    Raises:
        RepositoryError: there is none, or one of its files is missing.
        RepositoryTamperedError: a signature, hash or version is wrong.
    """
    roots = _read_roots(folder)
    trusted = roots[-2:] if root_may_be_ahead else roots[-1:]
    timestamp = _read(folder, Timestamp.type, 0, Timestamp)
    _verify_by_root(folder, trusted, timestamp)
    snapshot = _read_listed(folder, Snapshot.type, timestamp.signed.snapshot_meta, Snapshot)
    _verify_by_root(folder, trusted, snapshot)
    targets = _read_listed(folder, Targets.type, _listed(folder, snapshot, Targets.type), Targets)
    _verify_by_root(folder, trusted, targets)
    roles = {name: _read_role(folder, snapshot, targets, name) for name in delegated_roles(targets.signed)}
    return Tree(folder, roots[-1], timestamp, snapshot, targets, roles)


def _read_roots(folder: Path) -> list[Metadata[Root]]:
    roots: list[Metadata[Root]] = []
    while not roots or (folder / metadata_name(Root.type, len(roots) + 1)).exists():
        version = len(roots) + 1
        root = _read(folder, Root.type, version, Root)
        where = folder / metadata_name(Root.type, version)
        for vouching in (*roots[-1:], root):
            _verify(where, vouching.signed, Root.type, root)
        _check_version(where, root.signed.version, version)
        roots.append(root)
    return roots


def _read_role(
    folder: Path, snapshot: Metadata[Snapshot], targets: Metadata[Targets], name: str
) -> Metadata[Targets]:
    meta = _listed(folder, snapshot, name)
    role = _read_listed(folder, name, meta, Targets)
    _verify(folder / metadata_name(name, meta.version), targets.signed, name, role)
    return role


def _listed(folder: Path, snapshot: Metadata[Snapshot], role: str) -> MetaFile:
    meta = snapshot.signed.meta.get(f"{role}.json")
    if meta is None:
        raise RepositoryTamperedError(
            folder / metadata_name(Snapshot.type, snapshot.signed.version),
            found=f"nothing about {role}",
            expected="its version and hash",
        )
    return meta


def _read_listed(folder: Path, role: str, meta: MetaFile, kind: type[S]) -> Metadata[S]:
    where = folder / metadata_name(role, meta.version)
    raw = _raw(where)
    if meta.length is None or not meta.hashes:
        raise RepositoryTamperedError(
            where, found="no length and hash in the role that lists it", expected="both"
        )
    with _mapped(where, "the length and hash that were signed"):
        meta.verify_length_and_hashes(raw)
    found = _parsed(where, raw, role, kind)
    _check_version(where, found.signed.version, meta.version)
    return found


def _read(folder: Path, role: str, version: int, kind: type[S]) -> Metadata[S]:
    where = folder / metadata_name(role, version)
    return _parsed(where, _raw(where), role, kind)


def _raw(where: Path) -> bytes:
    try:
        return where.read_bytes()
    except OSError as error:
        raise RepositoryError(
            f"{where}: found no readable file ({error.strerror}), expected metadata of a repository. "
            "Make a repository with: edgecl repo init REPO --keys KEYS"
        ) from error


def _parsed(where: Path, raw: bytes, role: str, kind: type[S]) -> Metadata[S]:
    with _mapped(where, f"metadata of {role}"):
        found: Metadata[S] = Metadata.from_bytes(raw)
    if type(found.signed) is not kind:
        raise RepositoryTamperedError(where, found=f"metadata of type {found.signed.type}", expected=role)
    return found


def _verify_by_root(folder: Path, roots: list[Metadata[Root]], found: Metadata[S]) -> None:
    role, version = found.signed.type, found.signed.version
    where = folder / metadata_name(role, version)
    for older in roots[:-1]:
        with suppress(TufError):
            older.signed.verify_delegate(role, found.signed_bytes, found.signatures)
            return
    _verify(where, roots[-1].signed, role, found)


def _verify(where: Path, vouching: Root | Targets, role: str, found: Metadata[S]) -> None:
    with _mapped(where, "the signatures of its keys"):
        vouching.verify_delegate(role, found.signed_bytes, found.signatures)


def _check_version(where: Path, found: int, expected: int) -> None:
    if found != expected:
        raise RepositoryTamperedError(where, found=f"version {found}", expected=f"version {expected}")


@contextmanager
def _mapped(where: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except (TufError, ValueError) as error:
        raise RepositoryTamperedError(where, found=str(error), expected=expected) from error
