from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_export.repository import check_repository, set_rollout, withdraw
from edgecl_export.repository.errors import RepositoryTamperedError
from edgecl_runtime.durable import write_durably
from tests.export.repository.factories import (
    BACKBONE,
    NOW,
    Signers,
    add,
    days,
    keyring,
    make_admitting,
    make_signers,
    pack,
)
from tests.runtime.factories import TEXT_BUNDLE

PACKS = f"bb-{BACKBONE[:12]}"


@pytest.fixture
def signers() -> Signers:
    return make_signers()


@pytest.fixture
def repository(tmp_path: Path, signers: Signers) -> Path:
    return make_admitting(tmp_path / "repository", signers)


def pack_file(repository: Path) -> Path:
    """Return the one published pack."""
    (found,) = repository.rglob("*.ecpack")
    return found


def test_a_sound_repository_has_nothing_to_say(repository: Path) -> None:
    report = check_repository(repository, now=NOW)
    assert (report.exit_code, report.damaged, report.orphans, report.notes) == (0, (), (), ())


def test_each_role_is_counted(repository: Path) -> None:
    roles = {role.name: role for role in check_repository(repository, now=NOW).roles}
    assert list(roles) == ["root", "timestamp", "snapshot", "targets", "backbones", "rollout", PACKS]
    assert (roles["root"].signatures, roles["root"].threshold) == (3, 2)
    assert (roles[PACKS].signatures, roles[PACKS].targets) == (1, 1)
    assert roles[PACKS].size_bytes == (repository / "metadata" / f"1.{PACKS}.json").stat().st_size


@pytest.mark.parametrize(
    ("after", "expired", "due"),
    [
        (0, set(), set()),
        (5, set(), {"timestamp"}),
        (7, {"timestamp"}, set()),
        (29, {"timestamp"}, {"snapshot", "rollout"}),
        (180, {"timestamp", "snapshot", "rollout", PACKS}, set()),
    ],
)
def test_expiry_is_told_apart_from_being_due(
    after: int, expired: set[str], due: set[str], repository: Path
) -> None:
    report = check_repository(repository, now=NOW + days(after))
    assert {role.name for role in report.roles if role.state == "expired"} == expired
    assert {role.name for role in report.roles if role.state == "due"} == due
    assert report.exit_code == bool(expired)


def test_a_pack_with_other_bytes_is_named(repository: Path) -> None:
    path = pack_file(repository)
    path.write_bytes(path.read_bytes()[:-1])
    report = check_repository(repository, now=NOW)
    assert (report.damaged, report.exit_code) == ((path.relative_to(repository).as_posix(),), 5)


def test_a_pack_that_is_gone_is_named(repository: Path) -> None:
    path = pack_file(repository)
    path.unlink()
    assert check_repository(repository, now=NOW).damaged == (path.relative_to(repository).as_posix(),)


def test_what_a_cut_off_publication_left_is_an_orphan(
    repository: Path, signers: Signers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def stop_at_the_snapshot(path: Path, content: bytes) -> None:
        if "snapshot" in path.name:
            raise OSError(5, "power")
        write_durably(path, content)

    monkeypatch.setattr("edgecl_export.repository.publish.write_durably", stop_at_the_snapshot)
    with pytest.raises(OSError, match="power"):
        add(repository, signers, pack(tmp_path, version=2))
    report = check_repository(repository, now=NOW)
    assert [Path(name).name.split(".", 1)[1] for name in report.orphans] == [
        f"{PACKS}.json",
        "leaves-2.ecpack",
    ]
    assert report.exit_code == 0


def test_a_file_that_someone_put_there_is_an_orphan(repository: Path) -> None:
    (repository / "targets" / "notes.txt").write_bytes(b"")
    assert check_repository(repository, now=NOW).orphans == ("targets/notes.txt",)


def test_older_versions_are_counted_and_belong_there(
    repository: Path, signers: Signers, tmp_path: Path
) -> None:
    before = check_repository(repository, now=NOW).superseded
    add(repository, signers, pack(tmp_path, version=2))
    report = check_repository(repository, now=NOW)
    assert (report.superseded - before, report.orphans) == (2, ())


def test_releases_and_their_limits_are_listed(repository: Path, signers: Signers, tmp_path: Path) -> None:
    add(repository, signers, pack(tmp_path, version=2), TEXT_BUNDLE)
    set_rollout(repository, keyring(signers), ["leaves-2"], percent=10, now=NOW)
    withdraw(repository, keyring(signers), ["leaves-1"], now=NOW)
    report = check_repository(repository, now=NOW)
    assert sorted(release.KIND for release in report.releases) == ["bundle", "pack", "pack"]
    assert sorted(rollout.withdrawn for rollout in report.rollouts) == [False, True]


def test_changed_metadata_is_no_report_at_all(repository: Path) -> None:
    path = repository / "metadata" / "timestamp.json"
    path.write_bytes(path.read_bytes().replace(b'"version":2', b'"version":9'))
    with pytest.raises(RepositoryTamperedError):
        check_repository(repository, now=NOW)
