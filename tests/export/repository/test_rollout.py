from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecl_export.repository import Offered, set_rollout, withdraw
from edgecl_export.repository.errors import MissingKeysError, ReleaseRefusedError, RepositoryError
from edgecl_export.repository.tree import read_tree
from edgecl_runtime.ota.release import Rollout
from tests.export.repository.factories import (
    NOW,
    Signers,
    add,
    days,
    keyring,
    make_admitting,
    make_signers,
    pack,
)
from tests.runtime.factories import IMAGE_BUNDLE

ONLINE_ONLY = [*(f"root-{number}" for number in (1, 2, 3)), "targets", "release"]


def offer(repository: Path, signers: Signers, percent: float, **options: Any) -> Rollout | None:
    """Set the rollout of the first version with the online key alone, and return what is said of it."""
    ring = keyring(signers, without=ONLINE_ONLY)
    (found,) = set_rollout(repository, ring, ["leaves-1"], percent=percent, now=NOW, **options)
    return found.rollout


def take_back(repository: Path, signers: Signers, *names: str, **options: bool) -> tuple[Offered, ...]:
    """Withdraw releases with the online key alone."""
    ring = keyring(signers, without=ONLINE_ONLY)
    return withdraw(repository, ring, names, now=NOW, **options)


@pytest.fixture
def signers() -> Signers:
    return make_signers()


@pytest.fixture
def repository(tmp_path: Path, signers: Signers) -> Path:
    return make_admitting(tmp_path / "repository", signers)


def test_a_share_is_set_with_the_online_key_alone(repository: Path, signers: Signers) -> None:
    found = offer(repository, signers, 12.5)
    assert found is not None
    assert (found.percent, found.withdrawn, found.salt) == (12.5, False, "leaves-1#1")


def test_everybody_needs_no_record(repository: Path, signers: Signers) -> None:
    offer(repository, signers, 10)
    assert offer(repository, signers, 100) is None
    assert read_tree(repository).roles["rollout"].signed.targets == {}


def test_a_growing_share_keeps_its_salt(repository: Path, signers: Signers) -> None:
    offer(repository, signers, 10, salt="spring")
    found = offer(repository, signers, 20)
    assert found is not None
    assert found.salt == "spring"


def test_another_release_of_the_same_content_meets_other_devices_first(
    repository: Path, signers: Signers, tmp_path: Path
) -> None:
    add(repository, signers, pack(tmp_path), again=True)
    found = offer(repository, signers, 10)
    assert found is not None
    assert found.salt == "leaves-1#2"


def test_times_are_written(repository: Path, signers: Signers) -> None:
    found = offer(repository, signers, 100, not_before=NOW, deadline=NOW + days(3))
    assert found is not None
    assert (found.not_before, found.deadline) == (NOW, NOW + days(3))


def test_withdrawing_names_the_content(repository: Path, signers: Signers) -> None:
    (found,) = take_back(repository, signers, "leaves-1", unsafe=True)
    assert found.rollout is not None
    assert (found.rollout.sha256, found.rollout.withdrawn) == (found.release.sha256, True)
    assert found.rollout.severity == "unsafe"


def test_a_lifted_withdrawal_leaves_the_share_that_was_there(repository: Path, signers: Signers) -> None:
    offer(repository, signers, 10)
    take_back(repository, signers, "leaves-1")
    (found,) = take_back(repository, signers, "leaves-1", undo=True)
    assert found.rollout is not None
    assert (found.rollout.percent, found.rollout.withdrawn) == (10, False)


def test_a_lifted_withdrawal_of_what_everybody_had_leaves_no_record(
    repository: Path, signers: Signers
) -> None:
    take_back(repository, signers, "leaves-1")
    (found,) = take_back(repository, signers, "leaves-1", undo=True)
    assert found.rollout is None


def test_a_withdrawn_release_has_no_share(repository: Path, signers: Signers) -> None:
    take_back(repository, signers, "leaves-1")
    with pytest.raises(ReleaseRefusedError, match="content that was withdrawn"):
        offer(repository, signers, 100)


@pytest.mark.parametrize("form", ["name", "path", "digits"])
def test_a_release_has_several_names(form: str, repository: Path, signers: Signers) -> None:
    (known,) = take_back(repository, signers, "leaves-1")
    names = {"name": "leaves-1", "path": known.release.path, "digits": known.release.sha256[:12]}
    (found,) = take_back(repository, signers, names[form])
    assert found == known


def test_a_bundle_is_limited_too(repository: Path, signers: Signers) -> None:
    add(repository, signers, IMAGE_BUNDLE)
    (found,) = take_back(repository, signers, "bundle-1")
    assert found.release.KIND == "bundle"


@pytest.mark.parametrize("name", ["leaves-9", "leaves", "", "abc"])
def test_an_unknown_release_is_named(name: str, repository: Path, signers: Signers) -> None:
    with pytest.raises(RepositoryError, match="expected one of leaves-1"):
        take_back(repository, signers, name)


def test_without_the_online_key_nothing_is_withdrawn(repository: Path, signers: Signers) -> None:
    with pytest.raises(MissingKeysError, match="role rollout: .* online"):
        withdraw(repository, keyring(signers, without=["online"]), ["leaves-1"], now=NOW)
