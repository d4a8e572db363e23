from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Call, assert_refused
from tests.export.repository.factories import BACKBONE
from tests.export.repository.test_keys import public_pem
from tests.runtime.factories import IMAGE_BUNDLE, write_pack_file

PASSPHRASE = "correct horse battery"
PACKS = f"bb-{BACKBONE[:12]}"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECL_KEY_PASSWORD", PASSPHRASE)


@pytest.fixture
def keys(tmp_path: Path, call: Call) -> Path:
    assert call("keys", "new", tmp_path / "keys").code == 0
    return tmp_path / "keys"


@pytest.fixture
def repository(tmp_path: Path, keys: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECL_KEYS", str(keys))
    assert call("repo", "init", tmp_path / "repository").code == 0
    first = write_pack_file(tmp_path)
    assert call("repo", "add", tmp_path / "repository", first, "--bundle", IMAGE_BUNDLE).code == 0
    return tmp_path / "repository"


def test_keys_are_made_and_shown(keys: Path, call: Call) -> None:
    shown = call("keys", "show", keys, "--json").json["keys"]
    assert [key["name"] for key in shown] == ["online", "release", "root-1", "root-2", "root-3", "targets"]
    assert shown[0]["uri"] == "file:online.pem"
    assert "online" in call("keys", "show", keys).out


def test_single_keys_are_made(tmp_path: Path, call: Call) -> None:
    made = call("keys", "new", tmp_path, "release-2", "--json").json
    assert (made["folder"], made["keys"][0]["name"]) == (str(tmp_path), "release-2")


def test_a_key_behind_a_program_is_noted(tmp_path: Path, call: Call) -> None:
    public = public_pem(tmp_path)
    called = call(
        "keys", "new", tmp_path / "keys", "hsm", "--uri", "command:sign", "--public", public, "--json"
    )
    assert called.json["keys"][0]["uri"] == "command:sign"


@pytest.mark.parametrize(
    "arguments", [["a", "--uri", "command:x"], ["a", "b", "--uri", "x:", "--public", "y"]]
)
def test_half_of_a_noted_key_is_wrong_usage(arguments: list[str], tmp_path: Path, call: Call) -> None:
    called = call("keys", "new", tmp_path, *arguments)
    assert (called.code, called.out) == (2, "")
    assert "--uri and --public belong together" in called.err


def test_init_says_what_devices_are_given(tmp_path: Path, keys: Path, call: Call) -> None:
    made = call("repo", "init", tmp_path / "r", "--keys", keys, "--json").json
    assert Path(made["root"]).is_file()
    assert set(made["roles"]) == {"root", "targets", "snapshot", "timestamp", "backbones", "rollout"}


def test_init_takes_other_keys(tmp_path: Path, keys: Path, call: Call) -> None:
    names = ["--root", "root-1", "--root", "targets", "--online", "release"]
    assert call("repo", "init", tmp_path / "r", "--keys", keys, *names).code == 0


def test_a_release_is_shown(repository: Path, tmp_path: Path, call: Call) -> None:
    called = call(
        "repo", "add", repository, write_pack_file(tmp_path, version=2), "--percent", "10", "--json"
    )
    (release,) = called.json["releases"]
    assert (release["name"], release["release_counter"], release["new"]) == ("leaves-2", 2, True)
    again = call("repo", "add", repository, tmp_path / "leaves-2.ecpack")
    assert again.out.endswith("leaves-2.ecpack: released before, nothing done\n")


def test_a_rollout_is_shown(repository: Path, call: Call) -> None:
    arguments = ["leaves-1", "--percent", "2.5", "--deadline", "2027-01-31", "--not-before", "2027-01-01"]
    (release,) = call("repo", "rollout", repository, *arguments, "--json").json["releases"]
    assert (release["percent"], release["withdrawn"]) == (2.5, False)
    assert (release["not_before"], release["deadline"]) == ("2027-01-01T00:00:00Z", "2027-01-31T00:00:00Z")
    assert call("repo", "rollout", repository, "leaves-1", "--percent", "100").out.endswith("every device\n")


def test_a_withdrawal_is_shown(repository: Path, call: Call) -> None:
    assert call("repo", "withdraw", repository, "leaves-1", "--unsafe").out.endswith("withdrawn (unsafe)\n")
    lifted = call("repo", "withdraw", repository, "leaves-1", "--undo", "--json").json["releases"]
    assert lifted[0]["withdrawn"] is False


def test_unsafe_and_undo_exclude_each_other(repository: Path, call: Call) -> None:
    assert call("repo", "withdraw", repository, "leaves-1", "--unsafe", "--undo").code == 2


def test_renewing_says_what_it_signed(repository: Path, call: Call) -> None:
    assert call("repo", "resign", repository, "--json").json == {
        "repository": str(repository),
        "signed": ["timestamp"],
        "waiting": [],
    }


def test_renewing_a_role_by_name(repository: Path, call: Call) -> None:
    called = call("repo", "resign", repository, "--role", PACKS)
    assert called.out == f"{repository}: signed {PACKS}, snapshot, timestamp\n"


def test_keys_are_exchanged(repository: Path, keys: Path, call: Call) -> None:
    call("keys", "new", keys, "online-2")
    called = call("repo", "rotate", repository, "online", "--to", "online-2", "--json")
    assert (called.json["group"], called.json["keys"]) == ("online", ["online-2"])
    assert "root" in called.json["signed"]


def test_a_sound_repository_passes_the_check(repository: Path, call: Call) -> None:
    called = call("repo", "check", repository)
    assert (called.code, called.err) == (0, "")
    assert PACKS in called.out
    assert "0, 1" in called.out


def test_the_check_as_json(repository: Path, call: Call) -> None:
    checked = call("repo", "check", repository, "--json").json
    assert (checked["sound"], checked["damaged"], checked["orphans"]) == (True, [], [])
    assert [release["name"] for release in checked["releases"]] == ["leaves-1"]


def test_5_a_damaged_file_fails_the_check(repository: Path, call: Call) -> None:
    (path,) = repository.rglob("*.ecpack")
    path.write_bytes(b"")
    called = call("repo", "check", repository, "--json")
    assert (called.code, called.json["sound"]) == (5, False)
    assert "its sha256 is not the one that was signed" in called.err


def test_5_changed_metadata_fails_every_command(repository: Path, tmp_path: Path, call: Call) -> None:
    path = repository / "metadata" / "timestamp.json"
    path.write_bytes(path.read_bytes().replace(b'"version":2', b'"version":9'))
    for arguments in (["check"], ["resign"], ["usb", tmp_path / "stick"]):
        called = call("repo", arguments[0], repository, *arguments[1:])
        assert_refused(called, 5, "timestamp.json", "Nothing is signed on top of it")


def test_a_copy_for_a_stick(repository: Path, tmp_path: Path, call: Call) -> None:
    called = call("repo", "usb", repository, tmp_path / "stick", "--days", "30", "--json")
    assert called.json["files"] == sum(path.is_file() for path in (tmp_path / "stick").rglob("*"))


def test_a_copy_as_it_is_needs_no_keys(repository: Path, tmp_path: Path, call: Call, monkeypatch) -> None:
    monkeypatch.setenv("EDGECL_KEYS", str(tmp_path / "nowhere"))
    assert "valid until" in call("repo", "usb", repository, tmp_path / "stick").out


def test_1_a_key_that_is_not_at_hand(repository: Path, keys: Path, tmp_path: Path, call: Call) -> None:
    (keys / "release.pem").unlink()
    called = call("repo", "add", repository, write_pack_file(tmp_path, version=2))
    assert_refused(called, 1, f"role {PACKS}: found 0 of its keys, expected 1", "release")


def test_1_a_wrong_passphrase(repository: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECL_KEY_PASSWORD", "another passphrase")
    assert_refused(call("repo", "resign", repository), 1, "key online: cannot be opened")


def test_1_nobody_to_ask_for_the_passphrase(
    repository: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGECL_KEY_PASSWORD")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert_refused(call("repo", "resign", repository), 1, "key online", "Set EDGECL_KEY_PASSWORD")


def test_1_no_keys_at_all(repository: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGECL_KEYS")
    assert_refused(call("repo", "resign", repository), 1, "role timestamp: found 0 of its keys")


def test_1_a_folder_that_is_no_repository(tmp_path: Path, keys: Path, call: Call) -> None:
    assert_refused(call("repo", "check", tmp_path), 1, "edgecl repo init")
    assert_refused(call("repo", "resign", tmp_path / "nowhere", "--keys", keys), 1, "edgecl repo init")


def test_3_a_pack_whose_backbone_nobody_admitted(tmp_path: Path, keys: Path, call: Call) -> None:
    call("repo", "init", tmp_path / "r", "--keys", keys)
    called = call("repo", "add", tmp_path / "r", write_pack_file(tmp_path), "--keys", keys)
    assert_refused(called, 3, "leaves-1.ecpack", "--bundle")


def test_5_a_pack_with_a_flipped_bit(repository: Path, tmp_path: Path, call: Call) -> None:
    path = write_pack_file(tmp_path, version=2)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert_refused(call("repo", "add", repository, path), 5, "leaves-2.ecpack")
