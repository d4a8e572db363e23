"""Where the private part of a key may be: an encrypted file, an environment variable, or behind a program.

Other places that securesystemslib knows and that sign with Ed25519, such as Vault, work by its own URIs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import (
    SIGNER_FOR_URI_SCHEME,
    CryptoSigner,
    Key,
    SecretsHandler,
    Signature,
    Signer,
    SSlibKey,
)

__all__ = ["CommandSigner", "EnvironmentSigner", "FileSigner"]

_TIMEOUT_S = 120


class FileSigner(Signer):
    """Opens `file:PATH`, a private key in PKCS #8 PEM; the passphrase is asked for if the file is encrypted."""

    SCHEME = "file"

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Return a signer with the key in a file."""
        raw = Path(priv_key_uri.removeprefix("file:")).read_bytes()
        return _pem_signer(raw, public_key, secrets_handler)


class EnvironmentSigner(Signer):
    """Opens `envvar:NAME`, the same PEM text in an environment variable."""

    SCHEME = "envvar"

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Return a signer with the key in an environment variable."""
        name = priv_key_uri.removeprefix("envvar:")
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set")
        return _pem_signer(os.environ[name].encode(), public_key, secrets_handler)


class CommandSigner(Signer):
    """Signs by `command:PROGRAM ARGUMENT...`: the bytes go to its input, its output is the raw signature."""

    SCHEME = "command"

    def __init__(self, words: list[str], public_key: Key) -> None:
        self._words, self._public_key = words, public_key

    @property
    def public_key(self) -> Key:
        """The public part."""
        return self._public_key

    def sign(self, payload: bytes) -> Signature:
        """Return what the program answers, once it is known to be a signature of the payload."""
        done = subprocess.run(
            self._words, input=payload, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-200:]
            raise ValueError(f"{self._words[0]} ended with {done.returncode}: {said}")
        signature = Signature(self._public_key.keyid, done.stdout.hex())
        self._public_key.verify_signature(signature, payload)
        return signature

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Return a signer that runs a program for every signature."""
        words = shlex.split(priv_key_uri.removeprefix("command:"))
        if not words:
            raise ValueError("no program behind command:")
        return cls(words, public_key)


def _pem_signer(raw: bytes, public_key: Key, secrets_handler: SecretsHandler | None) -> Signer:
    if not isinstance(public_key, SSlibKey):
        raise ValueError(f"a {public_key.keytype} key has no PEM file")
    encrypted = b"ENCRYPTED" in raw.partition(b"\n")[0]
    secret = secrets_handler("passphrase").encode() if encrypted and secrets_handler is not None else None
    return CryptoSigner(load_pem_private_key(raw, secret), public_key)


for _signer in (FileSigner, EnvironmentSigner, CommandSigner):
    SIGNER_FOR_URI_SCHEME[_signer.SCHEME] = _signer
