from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_export.repository import RoleKeys, create_repository
from edgecl_export.repository.errors import MissingKeysError, RepositoryError
from edgecl_export.repository.tree import read_tree
from tests.export.repository.factories import NOW, Client, days, keyring, make_repository, make_signers

LIFETIMES = {
    "root": 3 * 365,
    "targets": 365,
    "backbones": 365,
    "rollout": 30,
    "snapshot": 30,
    "timestamp": 7,
}


def test_a_client_accepts_a_new_repository(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", make_signers())
    asked = Client(repository).refresh(repository).asked
    assert set(asked) == {
        "metadata/timestamp.json",
        "metadata/1.snapshot.json",
        "metadata/1.targets.json",
        "metadata/1.backbones.json",
        "metadata/1.rollout.json",
    }


def test_root_needs_two_of_three_keys(tmp_path: Path) -> None:
    root = read_tree(make_repository(tmp_path, make_signers())).root.signed
    assert (root.roles["root"].threshold, len(root.roles["root"].keyids)) == (2, 3)
    assert root.consistent_snapshot


def test_two_root_keys_make_a_repository(tmp_path: Path) -> None:
    create_repository(tmp_path, keyring(make_signers(), without=["root-2"]), keys=RoleKeys(), now=NOW)
    assert len(read_tree(tmp_path).root.signatures) == 2


@pytest.mark.parametrize("role", LIFETIMES)
def test_a_role_holds_as_long_as_its_keys_are_safe(role: str, tmp_path: Path) -> None:
    signed = read_tree(make_repository(tmp_path, make_signers())).signed()
    assert signed[role].expires == NOW + days(LIFETIMES[role])


def test_every_role_says_when_it_was_signed(tmp_path: Path) -> None:
    signed = read_tree(make_repository(tmp_path, make_signers())).signed()
    times = {role.unrecognized_fields["x-edgecl"]["signed_at"] for role in signed.values()}
    assert times == {NOW.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_targets_lists_nothing_itself_and_ends_the_search_at_each_role(tmp_path: Path) -> None:
    targets = read_tree(make_repository(tmp_path, make_signers())).targets.signed
    assert targets.targets == {}
    assert targets.delegations is not None
    roles = targets.delegations.roles or {}
    assert {name: (role.paths, role.terminating) for name, role in roles.items()} == {
        "backbones": (["backbones/*/*"], True),
        "rollout": (["rollout/*"], True),
    }


@pytest.mark.parametrize("missing", [["root-1", "root-3"], ["targets"], ["online"]])
def test_nothing_is_written_without_the_keys(missing: list[str], tmp_path: Path) -> None:
    with pytest.raises(MissingKeysError, match=missing[0]):
        create_repository(tmp_path, keyring(make_signers(), without=missing), keys=RoleKeys(), now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_repository_is_not_replaced(tmp_path: Path) -> None:
    make_repository(tmp_path, make_signers())
    with pytest.raises(RepositoryError, match="found a repository, expected a new or empty folder"):
        make_repository(tmp_path, make_signers())


def test_a_key_that_nobody_made_is_named(tmp_path: Path) -> None:
    keys = RoleKeys(online=("ci",))
    with pytest.raises(RepositoryError, match="key ci: .* edgecl keys new KEYS ci"):
        create_repository(tmp_path, keyring(make_signers()), keys=keys, now=NOW)


@pytest.mark.parametrize("names", [(), ("a",), ("a", "a")])
def test_a_single_person_cannot_be_the_root(names: tuple[str, ...]) -> None:
    with pytest.raises(RepositoryError, match="the keys of root: .* at least 2, each once"):
        RoleKeys(root=names)
