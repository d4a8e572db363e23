"""Keeping a repository fresh: new signatures before the old ones expire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Root, Snapshot, Timestamp

from edgecl_export.repository.edition import Edition, open_edition
from edgecl_export.repository.errors import MissingKeysError
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.roles import is_due

__all__ = ["Renewal", "Waiting", "resign"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A role that is due, but whose keys are not at hand."""

    role: str
    expires: datetime
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    """The roles that were signed anew, and those that wait for their keys."""

    renewed: tuple[str, ...]
    waiting: tuple[Waiting, ...]


def resign(folder: Path, keyring: Keyring, *, now: datetime, roles: Sequence[str] = ()) -> Renewal:
    """Sign the timestamp anew, and every role that has less than a third of its time left, or those named.

    Args:
        folder: The repository.
        keyring: Has a key of online, and those of the other roles as they become due.
        now: The time of signing.
        roles: Roles to sign whether due or not; their keys have to be at hand. None: those that are due.

    Raises:
        MissingKeysError: the key of online is not at hand, or those of a role that was named.
        RepositoryError: a role that was named does not exist.
    """
    with open_edition(folder, keyring, now=now) as edition:
        edition.renew(Timestamp.type)
        waiting = [] if roles else _renew_due(edition)
        for role in roles:
            _renew(edition, role)
        return Renewal(edition.publish(), tuple(waiting))


def _renew_due(edition: Edition) -> list[Waiting]:
    waiting = []
    for role, signed in edition.tree.signed().items():
        if is_due(role, signed.expires, edition.now):
            try:
                _renew(edition, role)
            except MissingKeysError as error:
                waiting.append(Waiting(role, signed.expires, error.missing))
    return waiting


def _renew(edition: Edition, role: str) -> None:
    if role == Root.type:
        edition.change_root()
    elif role in (Snapshot.type, Timestamp.type):
        edition.renew(role)
    else:
        edition.change(role)
