"""Key folders: `NAME.json` says what the public key is and where its private part lies; `NAME.pem` may be that part.

A folder without the .pem files is fine: it names the keys of others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_public_key,
)
from securesystemslib.signer import Key, Signer, SSlibKey

from edgecl_export.errors import ExportError
from edgecl_export.repository.errors import RepositoryError, SigningKeyError
from edgecl_export.repository.signers import FileSigner
from edgecl_runtime.durable import write_durably

__all__ = ["KeyRecord", "Keyring", "import_key", "new_key", "read_keys"]

Ask = Callable[[str], str]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEME: Final = "ed25519"
_LEAST_PASSPHRASE: Final = 12  # characters: PKCS #8 in PEM derives the key in 2,048 rounds only
_LOCAL: Final = f"{FileSigner.SCHEME}:"


class KeyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `NAME.json` says.

    Attributes:
        name: For people.
        keyid: How metadata names the key.
        uri: Where the private part is; the path of a `file:` URI is relative to the folder.
        public: The public part, 64 hex digits.
    """

    name: str
    keyid: str
    uri: str
    public: str

    def key(self) -> Key:
        """Return the key as metadata lists it."""
        return SSlibKey(self.keyid, _SCHEME, _SCHEME, {"public": self.public})


class Keyring:
    """The keys at hand; private parts are opened when they first sign.

    Args:
        keys: Public parts by name.
        openers: By key id, for the keys whose private part can be reached.
    """

    def __init__(self, keys: Mapping[str, Key], openers: Mapping[str, Callable[[], Signer]]) -> None:
        self._keys = dict(keys)
        self._names = {key.keyid: name for name, key in keys.items()}
        self._openers = dict(openers)
        self._open: dict[str, Signer] = {}

    @classmethod
    def open(cls, folders: Iterable[Path], ask: Ask) -> Keyring:
        """Return the keys of some folders.

        Args:
            folders: Later ones add to earlier ones.
            ask: Returns the passphrase of the key of that name; called when it first signs.

        Raises:
            RepositoryError: a folder or one of its files cannot be read.
        """
        keys: dict[str, Key] = {}
        openers: dict[str, Callable[[], Signer]] = {}
        for folder in folders:
            for record in read_keys(folder):
                keys[record.name] = record.key()
                if (uri := _uri_at_hand(record, folder)) is not None:
                    openers[record.keyid] = partial(_open_signer, record, uri, ask)
        return cls(keys, openers)

    def key(self, name: str) -> Key:
        """Return the public key of a name.

        Raises:
            RepositoryError: there is none.
        """
        if name not in self._keys:
            raise RepositoryError.at(
                f"key {name}",
                found=f"only {', '.join(sorted(self._keys)) or 'no keys'}",
                expected="its .json file in a folder of --keys",
                fix=f"Make it with: edgecl keys new KEYS {name}",
            )
        return self._keys[name]

    def name(self, keyid: str) -> str:
        """Return the name of a key, or the beginning of its id if it has none here."""
        return self._names.get(keyid, f"key {keyid[:12]}")

    def at_hand(self, keyids: Iterable[str]) -> list[str]:
        """Return the ids of those keys whose private part can be reached."""
        return [keyid for keyid in keyids if keyid in self._openers]

    def signer(self, keyid: str) -> Signer:
        """Return the signer of a key that is at hand, opened once."""
        if keyid not in self._open:
            self._open[keyid] = self._openers[keyid]()
        return self._open[keyid]


def new_key(folder: Path, name: str, passphrase: str) -> KeyRecord:
    """Return a new Ed25519 key, written into a folder: the private part encrypted, PKCS #8 in PEM.

    Raises:
        RepositoryError: the name is not one, is taken, or the passphrase is short.
    """
    if len(passphrase) < _LEAST_PASSPHRASE:
        raise RepositoryError.at(
            f"key {name}",
            found=f"a passphrase of {len(passphrase)} characters",
            expected=f"at least {_LEAST_PASSPHRASE}",
            fix="Take five random words",
        )
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    record = _record(name, f"{_LOCAL}{name}.pem", private.public_key())
    _check_free(folder, name)
    _write_private(folder / f"{name}.pem", pem)
    write_durably(folder / f"{name}.json", _encode(record))
    return record


def import_key(folder: Path, name: str, *, uri: str, public: Path) -> KeyRecord:
    """Return the record, written into a folder, of a key whose private part lies elsewhere.

    Args:
        folder: Of the records.
        name: Of the key.
        uri: Where the private part is: `file:`, `envvar:`, `command:`, or a URI of securesystemslib.
        public: A file with the public key in PEM.

    Raises:
        RepositoryError: the name is not one or is taken, or the file holds no Ed25519 key.
    """
    try:
        key = load_pem_public_key(public.read_bytes())
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{public}: found no public key in PEM ({error}). Pass its file") from error
    if not isinstance(key, Ed25519PublicKey):
        raise RepositoryError.at(
            public,
            found="another kind of key",
            expected="an Ed25519 key, the only kind that a device checks without compiled code",
            fix="Make an Ed25519 key where this one came from",
        )
    record = _record(name, uri, key)
    _check_free(folder, name)
    write_durably(folder / f"{name}.json", _encode(record))
    return record


def read_keys(folder: Path) -> list[KeyRecord]:
    """Return the keys of a folder, by name.

    Raises:
        RepositoryError: it is no folder, or a record in it cannot be read.
    """
    if not folder.is_dir():
        raise RepositoryError.at(
            folder, found="no folder", expected="a folder of keys", fix="Make keys with: edgecl keys new"
        )
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> KeyRecord:
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeyRecord)
    except (OSError, msgspec.MsgspecError) as error:
        raise RepositoryError(f"{path}: not the record of a key ({error}). Move it elsewhere") from error


def _record(name: str, uri: str, public: Ed25519PublicKey) -> KeyRecord:
    if not _NAME.fullmatch(name):
        raise RepositoryError.at(
            f"key {name!r}",
            found="that name",
            expected="letters, digits, '.', '_' and '-'",
            fix="Choose another",
        )
    key = SSlibKey.from_crypto(public)
    return KeyRecord(name=name, keyid=key.keyid, uri=uri, public=key.keyval["public"])


def _encode(record: KeyRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record)) + b"\n"


def _check_free(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    taken = [path for suffix in ("json", "pem") if (path := folder / f"{name}.{suffix}").exists()]
    if taken:
        raise RepositoryError.at(
            taken[0], found="a key", expected="no file of that name", fix="Choose another name"
        )


def _write_private(path: Path, pem: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
        stream.flush()
        os.fsync(stream.fileno())


def _uri_at_hand(record: KeyRecord, folder: Path) -> str | None:
    if not record.uri.startswith(_LOCAL):
        return record.uri
    path = folder / record.uri.removeprefix(_LOCAL)
    return f"{_LOCAL}{path}" if path.is_file() else None


def _open_signer(record: KeyRecord, uri: str, ask: Ask) -> Signer:
    try:
        return Signer.from_priv_key_uri(uri, record.key(), lambda _: ask(record.name))
    except ExportError:
        raise
    except Exception as error:  # what a signer raises is not fixed: files, programs, devices, networks
        raise SigningKeyError(
            f"key {record.name}: cannot be opened ({type(error).__name__}: {error}). Nothing was published"
        ) from error
