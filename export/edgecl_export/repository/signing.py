"""Signing one role: new version, new expiry, the signatures of all its keys at hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from tuf.api.metadata import Metadata, Role, Root, Signed, Snapshot, Targets, Timestamp

from edgecl_export.errors import ExportError
from edgecl_export.repository.errors import MissingKeysError, SigningKeyError
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.roles import lifetime
from edgecl_runtime.ota.release import signed_at_field

__all__ = ["require_keys", "sign", "stamp", "unborn"]

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


def require_keys(name: str, role: Role, keyring: Keyring) -> None:
    """Do nothing if enough keys of a role are at hand.

    Raises:
        MissingKeysError: they are not; it names the missing ones.
    """
    at_hand = keyring.at_hand(role.keyids)
    if len(at_hand) < role.threshold:
        missing = [keyring.name(keyid) for keyid in role.keyids if keyid not in at_hand]
        raise MissingKeysError(name, threshold=role.threshold, found=len(at_hand), missing=missing)


def unborn(signed: S) -> S:
    """Return a role that was never signed: the version before the first."""
    signed.version = 0
    return signed


def stamp(name: str, signed: Signed, now: datetime) -> None:
    """Make `signed` the next version of a role: version, expiry and time of signing."""
    signed.version += 1
    signed.expires = (now + lifetime(name)).replace(microsecond=0)
    signed.unrecognized_fields |= signed_at_field(now)


def sign(signed: Signed, keyids: Iterable[str], keyring: Keyring) -> bytes:
    """Return the metadata of a role with the signatures of those keys that are at hand.

    Raises:
        SigningKeyError: one of them refuses.
    """
    metadata: Metadata[Any] = Metadata(signed)
    for keyid in keyring.at_hand(keyids):
        try:
            metadata.sign(keyring.signer(keyid), append=True)
        except ExportError:
            raise
        except Exception as error:  # what a signer raises is not fixed: programs, devices, networks
            raise SigningKeyError(
                f"key {keyring.name(keyid)}: cannot sign ({error.__cause__ or error}). Nothing was published"
            ) from error
    return metadata.to_bytes()
