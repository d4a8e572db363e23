from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgecl_export.repository import add_releases, set_rollout, withdraw
from edgecl_export.repository.errors import MissingKeysError, ReleaseRefusedError
from edgecl_export.repository.listing import rollouts
from edgecl_export.repository.tree import read_tree
from edgecl_runtime.errors import PackDigestError
from edgecl_runtime.ota.release import BundleRelease, PackRelease, pack_path
from tests.export.repository.factories import (
    BACKBONE,
    NOW,
    Client,
    add,
    keyring,
    make_admitting,
    make_repository,
    make_signers,
    pack,
)
from tests.runtime.factories import IMAGE_BUNDLE, TEXT_BUNDLE, copy_bundle, make_tensors, write_pack_file

LEAVES_1, LEAVES_2 = (pack_path(BACKBONE, "leaves", version) for version in (1, 2))


def test_a_client_finds_a_released_pack(tmp_path: Path) -> None:
    repository = make_admitting(tmp_path / "repository", make_signers())
    client = Client(repository)
    client.refresh(repository)
    found = client.updater.get_targetinfo(LEAVES_1)
    assert found is not None
    digest = hashlib.sha256((tmp_path / "packs" / "leaves-1.ecpack").read_bytes()).hexdigest()
    name = f"targets/packs/{BACKBONE[:12]}/{digest}.leaves-1.ecpack"
    assert (found.hashes, found.length) == ({"sha256": digest}, (repository / name).stat().st_size)


def test_the_record_says_what_the_pack_says(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    path = pack(tmp_path, task="bugs", version=7, device_class="orin", min_runtime="0.0.9")
    (added,) = add(repository, signers, path)
    record = added.release
    assert isinstance(record, PackRelease)
    assert (record.task, record.version, record.device_class) == ("bugs", 7, "orin")
    assert (record.min_runtime, record.backbone, record.length) == ("0.0.9", BACKBONE, path.stat().st_size)


def test_the_counter_grows_with_each_release_of_a_task(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    counters = [
        add(repository, signers, pack(tmp_path, version=version))[0].release.release_counter
        for version in (2, 5)
    ]
    assert counters == [2, 3]


def test_other_tasks_have_counters_of_their_own(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    (added,) = add(repository, signers, pack(tmp_path, task="bugs"))
    assert added.release.release_counter == 1


def test_of_several_versions_the_highest_is_the_newest(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    add(repository, signers, pack(tmp_path, version=3), pack(tmp_path, version=2))
    client = Client(repository)
    client.refresh(repository)
    assert client.counters(pack_path(BACKBONE, "leaves", 3), LEAVES_2) == [3, 2]


def test_what_is_released_already_is_left_alone(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    before = (repository / "metadata" / "timestamp.json").read_bytes()
    (added,) = add(repository, signers, pack(tmp_path))
    assert not added.is_new
    assert (repository / "metadata" / "timestamp.json").read_bytes() == before


def test_old_content_is_released_again_under_a_higher_counter_without_a_new_file(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    add(repository, signers, pack(tmp_path, version=2))
    files = sorted((repository / "targets").rglob("*.ecpack"))
    add(repository, signers, pack(tmp_path, version=1), again=True)
    client = Client(repository)
    client.refresh(repository)
    assert client.counters(LEAVES_1, LEAVES_2) == [3, 2]
    assert sorted((repository / "targets").rglob("*.ecpack")) == files


def test_a_lower_version_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    add(repository, signers, pack(tmp_path, version=4))
    lower = pack(tmp_path, version=3)
    with pytest.raises(ReleaseRefusedError, match="found version 3 of leaves, expected a version above 4"):
        add(repository, signers, lower)
    assert add(repository, signers, lower, again=True)[0].release.release_counter == 3


def test_other_bytes_under_a_released_version_are_refused(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    other = pack(tmp_path, tensors=make_tensors(seed=9))
    with pytest.raises(ReleaseRefusedError, match="other bytes than the release leaves-1 has"):
        add(repository, signers, other, again=True)


def test_two_packs_of_one_version_are_refused(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    (tmp_path / "elsewhere").mkdir()
    other = write_pack_file(tmp_path / "elsewhere", version=2, tensors=make_tensors(seed=9))
    with pytest.raises(ReleaseRefusedError, match="one pack per version"):
        add(repository, signers, pack(tmp_path, version=2), other)


def test_a_pack_for_a_backbone_that_nobody_admitted_is_refused(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    with pytest.raises(ReleaseRefusedError, match="--bundle; both need the targets keys"):
        add(repository, signers, pack(tmp_path))


def test_a_damaged_pack_is_refused(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    path = pack(tmp_path, version=2)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(PackDigestError):
        add(repository, signers, path)


def test_a_pack_needs_no_key_that_is_offline(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    ring = keyring(signers, without=["root-1", "root-2", "root-3", "targets"])
    (added,) = add_releases(repository, ring, [pack(tmp_path, version=2)], now=NOW)
    assert added.is_new


@pytest.mark.parametrize("missing", ["release", "online"])
def test_without_its_keys_a_pack_is_not_released(missing: str, tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    with pytest.raises(MissingKeysError, match=f"found 0 of its keys, expected 1. .* {missing}"):
        add_releases(repository, keyring(signers, without=[missing]), [pack(tmp_path, version=2)], now=NOW)


def test_a_backbone_is_admitted_with_the_targets_keys_only(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    with pytest.raises(MissingKeysError, match="role targets"):
        add_releases(repository, keyring(signers, without=["targets"]), [IMAGE_BUNDLE], now=NOW)


def test_a_bundle_comes_with_the_packs_that_lie_in_it(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    bundle = copy_bundle(tmp_path)
    bundle.packs_path.mkdir(exist_ok=True)
    write_pack_file(bundle.packs_path)
    added = add(repository, signers, bundle.path)
    kinds = [each.release.KIND for each in added]
    assert (kinds[0], set(kinds[1:])) == ("bundle", {"pack"})
    assert read_tree(repository).timestamp.signed.version == 2


def test_every_file_of_a_bundle_is_a_target_of_its_role(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    added = add(repository, signers, TEXT_BUNDLE)[0].release
    listed = read_tree(repository).roles["backbones"].signed.targets
    assert isinstance(added, BundleRelease)
    assert {file.path for file in added.files} | {added.path} == set(listed)
    assert {file.name for file in added.files} == {"backbone.onnx", "tokenizer.json"}


def test_a_bundle_that_is_released_already_is_left_alone(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    first, again = (add(repository, signers, TEXT_BUNDLE)[0] for _ in range(2))
    assert (first.is_new, again.is_new) == (True, False)


def test_bundles_of_all_lines_share_one_counter(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    add(repository, signers, TEXT_BUNDLE)
    added = add(repository, signers, TEXT_BUNDLE, line="small")[0].release
    assert added.path.endswith("bundle-2.json")


def test_a_release_can_begin_with_some_devices(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    (added,) = add(repository, signers, pack(tmp_path, version=2), percent=5)
    limited = rollouts(read_tree(repository).roles["rollout"].signed)
    assert limited[added.release.sha256].percent == 5


def test_a_share_of_a_new_backbone_is_not_narrowed_again_by_its_packs(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    bundle, leaves = add(repository, signers, IMAGE_BUNDLE, pack(tmp_path), percent=10)
    limited = rollouts(read_tree(repository).roles["rollout"].signed)
    assert list(limited) == [bundle.release.sha256]
    assert leaves.is_new


def test_a_later_release_of_the_same_content_is_for_everybody_again(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    add(repository, signers, pack(tmp_path, version=2), percent=5)
    add(repository, signers, pack(tmp_path, version=2), again=True)
    assert read_tree(repository).roles["rollout"].signed.targets == {}


def test_withdrawn_content_is_not_released_again(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    withdraw(repository, keyring(signers), ["leaves-1"], now=NOW)
    with pytest.raises(ReleaseRefusedError, match="edgecl repo withdraw REPO leaves-1 --undo"):
        add(repository, signers, pack(tmp_path), again=True)


def test_nothing_to_release_is_said(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_repository(tmp_path / "repository", signers)
    with pytest.raises(ReleaseRefusedError, match="found no pack and no bundle"):
        add(repository, signers)


def test_a_rolled_out_release_keeps_its_share_when_another_comes(tmp_path: Path) -> None:
    signers = make_signers()
    repository = make_admitting(tmp_path / "repository", signers)
    set_rollout(repository, keyring(signers), ["leaves-1"], percent=20, now=NOW)
    add(repository, signers, pack(tmp_path, version=2))
    assert len(read_tree(repository).roles["rollout"].signed.targets) == 1
