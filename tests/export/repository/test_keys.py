from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgecl_export.repository import Keyring, import_key, new_key, read_keys
from edgecl_export.repository.errors import RepositoryError, SigningKeyError

PASSPHRASE = "correct horse"


def ask(name: str) -> str:
    return PASSPHRASE


def openssl(*arguments: object) -> None:
    """Make something with a program that is not ours."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def public_pem(folder: Path, algorithm: str = "ed25519") -> Path:
    """Write a key pair, unencrypted, and return its public half."""
    private, public = folder / "x.pem", folder / "x.pub.pem"
    kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if algorithm == "ec" else [algorithm]
    openssl("genpkey", "-algorithm", *kind, "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return public


def test_a_key_signs_what_its_record_verifies(tmp_path: Path) -> None:
    record = new_key(tmp_path, "release", PASSPHRASE)
    signature = Keyring.open([tmp_path], ask).signer(record.keyid).sign(b"pack")
    record.key().verify_signature(signature, b"pack")


def test_the_private_part_is_encrypted_and_for_its_owner_only(tmp_path: Path) -> None:
    new_key(tmp_path, "release", PASSPHRASE)
    path = tmp_path / "release.pem"
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(TypeError, match="Password was not given"):
        load_pem_private_key(path.read_bytes(), None)


def test_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    record = new_key(tmp_path, "release", PASSPHRASE)
    ring = Keyring.open([tmp_path], lambda name: "something else")
    with pytest.raises(SigningKeyError, match="key release: cannot be opened .*Incorrect password"):
        ring.signer(record.keyid)


def test_the_passphrase_is_asked_once_and_only_for_keys_that_sign(tmp_path: Path) -> None:
    asked: list[str] = []
    records = [new_key(tmp_path, name, PASSPHRASE) for name in ("online", "release")]

    def note(name: str) -> str:
        asked.append(name)
        return PASSPHRASE

    ring = Keyring.open([tmp_path], note)
    for _ in range(2):
        ring.signer(records[1].keyid)
    assert asked == ["release"]


def test_a_record_without_its_pem_names_the_key_but_does_not_sign(tmp_path: Path) -> None:
    record = new_key(tmp_path, "root-1", PASSPHRASE)
    (tmp_path / "root-1.pem").unlink()
    ring = Keyring.open([tmp_path], ask)
    assert ring.name(record.keyid) == "root-1"
    assert ring.key("root-1") == record.key()
    assert ring.at_hand([record.keyid]) == []


def test_keys_may_lie_in_several_folders(tmp_path: Path) -> None:
    records = [new_key(tmp_path / name, name, PASSPHRASE) for name in ("a", "b")]
    ring = Keyring.open([tmp_path / "a", tmp_path / "b"], ask)
    assert ring.at_hand(record.keyid for record in records) == [record.keyid for record in records]


def test_a_key_nobody_has_a_record_of_goes_by_the_beginning_of_its_id() -> None:
    assert Keyring.open([], ask).name("0123456789abcdef") == "key 0123456789ab"


@pytest.mark.parametrize("name", ["", "../release", "a b", ".hidden", "x" * 65])
def test_a_name_is_a_file_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="letters, digits"):
        new_key(tmp_path, name, PASSPHRASE)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="a passphrase of 11 characters, expected at least 12"):
        new_key(tmp_path, "release", "x" * 11)
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_not_replaced(tmp_path: Path) -> None:
    new_key(tmp_path, "release", PASSPHRASE)
    before = (tmp_path / "release.pem").read_bytes()
    with pytest.raises(RepositoryError, match="expected no file of that name"):
        new_key(tmp_path, "release", PASSPHRASE)
    assert (tmp_path / "release.pem").read_bytes() == before


def test_keys_are_read_by_name(tmp_path: Path) -> None:
    records = [new_key(tmp_path, name, PASSPHRASE) for name in ("b", "a")]
    assert read_keys(tmp_path) == records[::-1]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="edgecl keys new"):
        read_keys(tmp_path / "nowhere")


def test_a_file_that_is_no_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"name": "release"}', encoding="utf-8")
    with pytest.raises(RepositoryError, match=r"notes.json: not the record of a key"):
        Keyring.open([tmp_path], ask)


def test_a_key_that_lies_elsewhere_is_noted(tmp_path: Path) -> None:
    record = import_key(tmp_path / "keys", "hsm", uri="command:sign", public=public_pem(tmp_path))
    assert read_keys(tmp_path / "keys") == [record]
    assert Keyring.open([tmp_path / "keys"], ask).at_hand([record.keyid]) == [record.keyid]


def test_a_key_that_devices_cannot_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="only kind that a device checks without compiled code"):
        import_key(tmp_path / "keys", "hsm", uri="command:sign", public=public_pem(tmp_path, "ec"))


def test_a_file_without_a_public_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(RepositoryError, match="found no public key in PEM"):
        import_key(tmp_path, "hsm", uri="command:sign", public=tmp_path / "x")
