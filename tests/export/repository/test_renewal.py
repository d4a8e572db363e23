from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_export.repository import resign
from edgecl_export.repository.errors import MissingKeysError, RepositoryError
from edgecl_export.repository.tree import read_tree
from tests.export.repository.factories import (
    BACKBONE,
    NOW,
    Client,
    Signers,
    days,
    keyring,
    make_admitting,
    make_signers,
)

PACKS = f"bb-{BACKBONE[:12]}"


@pytest.fixture
def signers() -> Signers:
    return make_signers()


@pytest.fixture
def repository(tmp_path: Path, signers: Signers) -> Path:
    return make_admitting(tmp_path / "repository", signers)


def test_the_timestamp_is_signed_every_time(repository: Path, signers: Signers) -> None:
    done = resign(repository, keyring(signers), now=NOW + days(1))
    assert (done.renewed, done.waiting) == (("timestamp",), ())
    timestamp = read_tree(repository).timestamp.signed
    assert (timestamp.version, timestamp.expires) == (3, NOW + days(8))


@pytest.mark.parametrize(
    ("after", "renewed"),
    [
        (19, {"timestamp"}),
        (21, {"timestamp", "snapshot", "rollout"}),
        (121, {"timestamp", "snapshot", "rollout", PACKS}),
        (250, {"timestamp", "snapshot", "rollout", PACKS, "targets", "backbones"}),
        (740, {"timestamp", "snapshot", "rollout", PACKS, "targets", "backbones", "root"}),
    ],
)
def test_roles_are_signed_when_a_third_of_their_time_is_left(
    after: int, renewed: set[str], repository: Path, signers: Signers
) -> None:
    assert set(resign(repository, keyring(signers), now=NOW + days(after)).renewed) == renewed


def test_what_waits_for_an_offline_key_is_said_and_the_rest_is_signed(
    repository: Path, signers: Signers
) -> None:
    ring = keyring(signers, without=["targets"])
    done = resign(repository, ring, now=NOW + days(250))
    assert set(done.renewed) == {"timestamp", "snapshot", "rollout", PACKS}
    assert [(each.role, each.missing) for each in done.waiting] == [
        ("targets", ("targets",)),
        ("backbones", ("targets",)),
    ]


def test_an_expired_repository_can_be_renewed(repository: Path, signers: Signers) -> None:
    resign(repository, keyring(signers), now=NOW + days(1_500))
    assert all(role.expires > NOW + days(1_500) for role in read_tree(repository).signed().values())


def test_a_role_that_is_named_is_signed_before_it_is_due(repository: Path, signers: Signers) -> None:
    done = resign(repository, keyring(signers), now=NOW, roles=["targets", "root"])
    assert set(done.renewed) == {"targets", "snapshot", "timestamp", "root"}
    Client(repository).refresh(repository)


def test_a_role_that_is_named_needs_its_keys(repository: Path, signers: Signers) -> None:
    ring = keyring(signers, without=["root-1", "root-3"])
    with pytest.raises(MissingKeysError, match="role root: found 1 .* expected 2. .* root-1, root-3"):
        resign(repository, ring, now=NOW, roles=["root"])


def test_a_role_that_does_not_exist_is_named(repository: Path, signers: Signers) -> None:
    with pytest.raises(RepositoryError, match=f"role packs: found none, expected one of .*{PACKS}"):
        resign(repository, keyring(signers), now=NOW, roles=["packs"])


def test_without_the_online_key_nothing_is_signed(repository: Path, signers: Signers) -> None:
    with pytest.raises(MissingKeysError, match="role timestamp"):
        resign(repository, keyring(signers, without=["online"]), now=NOW + days(250))
