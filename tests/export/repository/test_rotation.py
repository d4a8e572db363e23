from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_export.repository import add_releases, resign, rotate
from edgecl_export.repository.errors import MissingKeysError, RepositoryError, RepositoryTamperedError
from edgecl_export.repository.roles import delegations
from edgecl_export.repository.tree import read_tree
from edgecl_runtime.durable import write_durably
from tests.export.repository.factories import (
    BACKBONE,
    NOW,
    Client,
    Signers,
    keyring,
    make_admitting,
    make_signers,
    pack,
)
from tests.runtime.factories import TEXT_BUNDLE

PACKS = f"bb-{BACKBONE[:12]}"
NEW = {
    "root": ("root-3", "root-4", "root-5"),
    "targets": ("targets-2",),
    "release": ("release-2",),
    "online": ("online-2",),
}
NEW_NAMES = [name for names in NEW.values() for name in names if name != "root-3"]

every_group = pytest.mark.parametrize("group", NEW)


@pytest.fixture
def signers() -> Signers:
    return make_signers() | make_signers(*NEW_NAMES)


@pytest.fixture
def repository(tmp_path: Path, signers: Signers) -> Path:
    return make_admitting(tmp_path / "repository", signers)


@every_group
def test_a_client_follows_to_the_new_keys(group: str, repository: Path, signers: Signers) -> None:
    client = Client(repository)
    client.refresh(repository)
    rotate(repository, keyring(signers), group, NEW[group], now=NOW)
    client.refresh(repository)
    Client(repository, "fresh").refresh(repository)


@pytest.mark.parametrize(
    ("group", "signed"),
    [
        ("root", {"root"}),
        ("targets", {"root", "targets", "backbones", "snapshot", "timestamp"}),
        ("release", {"targets", PACKS, "snapshot", "timestamp"}),
        ("online", {"root", "targets", "rollout", "snapshot", "timestamp"}),
    ],
)
def test_only_what_the_group_touches_is_signed(
    group: str, signed: set[str], repository: Path, signers: Signers
) -> None:
    assert set(rotate(repository, keyring(signers), group, NEW[group], now=NOW)) == signed


@every_group
def test_the_old_keys_are_worth_nothing_afterwards(group: str, repository: Path, signers: Signers) -> None:
    rotate(repository, keyring(signers), group, NEW[group], now=NOW)
    gone = [signers[name].public_key.keyid for name in (group, f"{group}-1", f"{group}-2") if name in signers]
    tree = read_tree(repository)
    known = set(tree.root.signed.keys) | set(delegations(tree.targets.signed).keys)
    new = {signers[name].public_key.keyid for name in NEW[group]}
    assert known & set(gone) <= new
    assert new <= known


@every_group
def test_the_new_keys_do_the_work_alone(
    group: str, repository: Path, signers: Signers, tmp_path: Path
) -> None:
    rotate(repository, keyring(signers), group, NEW[group], now=NOW)
    old = [name for name in ("root-1", "root-2", "targets", "release", "online") if name.startswith(group)]
    ring = keyring(signers, without=old)
    add_releases(repository, ring, [pack(tmp_path, version=2), TEXT_BUNDLE], now=NOW)
    resign(repository, ring, now=NOW, roles=list(read_tree(repository).signed()))
    Client(repository).refresh(repository)


@every_group
def test_lost_keys_are_replaced_without_them(group: str, repository: Path, signers: Signers) -> None:
    lost = {"root": "root-1", "targets": "targets", "release": "release", "online": "online"}[group]
    client = Client(repository)
    client.refresh(repository)
    rotate(repository, keyring(signers, without=[lost]), group, NEW[group], now=NOW)
    client.refresh(repository)


@pytest.mark.parametrize(
    ("group", "missing"),
    [
        ("root", ["root-1", "root-2"]),
        ("root", ["root-3", "root-4"]),
        ("targets", ["root-1", "root-2"]),
        ("targets", ["targets-2"]),
        ("release", ["targets"]),
        ("release", ["release-2"]),
        ("online", ["root-1", "root-2"]),
        ("online", ["targets"]),
        ("online", ["online-2"]),
    ],
)
def test_keys_that_have_to_agree_are_named(
    group: str, missing: list[str], repository: Path, signers: Signers
) -> None:
    before = sorted(repository.rglob("*"))
    with pytest.raises(MissingKeysError, match=missing[-1]):
        rotate(repository, keyring(signers, without=missing), group, NEW[group], now=NOW)
    assert sorted(repository.rglob("*")) == before


def test_too_few_root_keys_are_refused(repository: Path, signers: Signers) -> None:
    with pytest.raises(RepositoryError, match="at least 2"):
        rotate(repository, keyring(signers), "root", ["root-4"], now=NOW)


def test_a_replacement_of_lost_keys_that_was_cut_off_is_taken_up_again(
    repository: Path, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = keyring(signers, without=["online"])
    with monkeypatch.context() as patched:
        patched.setattr("edgecl_export.repository.publish.write_durably", fail_after_the_root)
        with pytest.raises(OSError, match="power"):
            rotate(repository, ring, "online", NEW["online"], now=NOW)
    with pytest.raises(RepositoryTamperedError, match="timestamp"):
        read_tree(repository)
    rotate(repository, ring, "online", NEW["online"], now=NOW)
    Client(repository).refresh(repository)


def fail_after_the_root(path: Path, content: bytes) -> None:
    """Write a root, and nothing else."""
    if not path.name.endswith(".root.json"):
        raise OSError(5, "power")
    write_durably(path, content)
