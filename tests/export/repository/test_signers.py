from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from securesystemslib.signer import Signature
from tuf.api.metadata import Targets

from edgecl_export.repository import KeyRecord, Keyring, import_key, new_key
from edgecl_export.repository.errors import SigningKeyError
from edgecl_export.repository.signing import sign
from tests.export.repository.test_keys import PASSPHRASE, openssl, public_pem

PROGRAM = """
import sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
sys.stdout.buffer.write(load_pem_private_key(open(sys.argv[1], "rb").read(), None).sign(sys.stdin.buffer.read()))
"""


def signed_by(folder: Path, record: KeyRecord) -> Signature:
    """Return the signature of a key that its record verifies."""
    signature = Keyring.open([folder], lambda name: PASSPHRASE).signer(record.keyid).sign(b"pack")
    record.key().verify_signature(signature, b"pack")
    return signature


def command_key(folder: Path, program: str) -> KeyRecord:
    """Return a key that a Python program signs with; its argument is the private key."""
    uri = f"command:{shlex.join([sys.executable, '-c', program, str(folder / 'x.pem')])}"
    return import_key(folder / "keys", "hsm", uri=uri, public=public_pem(folder))


def test_a_program_signs(tmp_path: Path) -> None:
    signed_by(tmp_path / "keys", command_key(tmp_path, PROGRAM))


def test_a_key_in_the_environment_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = import_key(tmp_path / "keys", "ci", uri="envvar:CI_KEY", public=public_pem(tmp_path))
    monkeypatch.setenv("CI_KEY", (tmp_path / "x.pem").read_text(encoding="utf-8"))
    signed_by(tmp_path / "keys", record)


def test_a_key_in_the_environment_may_be_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key(tmp_path, "ci", PASSPHRASE)
    openssl(
        *("pkey", "-in", tmp_path / "ci.pem", "-passin", f"pass:{PASSPHRASE}", "-pubout"),
        *("-out", tmp_path / "ci.pub.pem"),
    )
    record = import_key(tmp_path / "keys", "ci", uri="envvar:CI_KEY", public=tmp_path / "ci.pub.pem")
    monkeypatch.setenv("CI_KEY", (tmp_path / "ci.pem").read_text(encoding="utf-8"))
    signed_by(tmp_path / "keys", record)


def test_a_file_that_openssl_encrypted_with_scrypt_signs(tmp_path: Path) -> None:
    public = public_pem(tmp_path)
    private = tmp_path / "keys" / "root.pem"
    private.parent.mkdir()
    openssl(
        *("pkcs8", "-topk8", "-scrypt", "-in", tmp_path / "x.pem"),
        *("-passout", f"pass:{PASSPHRASE}", "-out", private),
    )
    record = import_key(private.parent / "records", "root", uri=f"file:{private}", public=public)
    signed_by(private.parent / "records", record)


def test_an_unset_variable_is_named(tmp_path: Path) -> None:
    record = import_key(tmp_path / "keys", "ci", uri="envvar:NO_SUCH_KEY", public=public_pem(tmp_path))
    with pytest.raises(SigningKeyError, match="key ci: .* NO_SUCH_KEY is not set"):
        signed_by(tmp_path / "keys", record)


def test_another_private_key_is_refused(tmp_path: Path) -> None:
    record = import_key(tmp_path / "keys", "ci", uri=f"file:{tmp_path}/x.pem", public=public_pem(tmp_path))
    public_pem(tmp_path)
    with pytest.raises(SigningKeyError, match="key ci: cannot be opened .*does not match"):
        signed_by(tmp_path / "keys", record)


def test_an_unknown_scheme_is_refused(tmp_path: Path) -> None:
    record = import_key(tmp_path / "keys", "ci", uri="pigeon:7", public=public_pem(tmp_path))
    with pytest.raises(SigningKeyError, match="Unsupported private key scheme pigeon"):
        signed_by(tmp_path / "keys", record)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('no card')", "ended with 1: no card"),
        ("print('x' * 63)", "Failed to verify"),
        ("", "Failed to verify"),
    ],
)
def test_a_program_that_gives_no_signature_is_refused(program: str, said: str, tmp_path: Path) -> None:
    record = command_key(tmp_path, program)
    ring = Keyring.open([tmp_path / "keys"], lambda name: PASSPHRASE)
    with pytest.raises(SigningKeyError, match=f"key hsm: cannot sign .*{said}"):
        sign(Targets(), [record.keyid], ring)
