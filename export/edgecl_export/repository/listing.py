"""What a repository offers: its signed records, read as a device reads them."""

from __future__ import annotations

from collections.abc import Iterable

from tuf.api.metadata import TargetFile, Targets

from edgecl_export.repository.errors import RepositoryError
from edgecl_export.repository.tree import Tree
from edgecl_runtime.ota.release import BACKBONES, ROLLOUT, BundleRelease, PackRelease, Rollout

__all__ = ["Release", "all_releases", "bundles", "packs", "release_name", "rollouts", "select_releases"]

Release = PackRelease | BundleRelease

_LEAST_DIGITS = 12


def packs(role: Targets) -> list[PackRelease]:
    """Return the packs that the role of a backbone lists.

    Raises:
        ReleaseError: a record is not one that this version writes.
    """
    return [
        PackRelease.from_custom(
            target.path, length=target.length, sha256=_sha256(target), custom=target.custom
        )
        for target in role.targets.values()
    ]


def bundles(role: Targets) -> list[BundleRelease]:
    """Return the bundles that the role of the backbones lists; its targets without a record are their files.

    Raises:
        ReleaseError: a record is not one that this version writes.
    """
    return [
        BundleRelease.from_custom(
            target.path, length=target.length, sha256=_sha256(target), custom=target.custom
        )
        for target in role.targets.values()
        if target.custom is not None
    ]


def rollouts(role: Targets) -> dict[str, Rollout]:
    """Return what the rollout role says, by the sha256 of the content.

    Raises:
        ReleaseError: a record is not one that this version writes.
    """
    records = [
        Rollout.from_custom(target.path, length=target.length, sha256=_sha256(target), custom=target.custom)
        for target in role.targets.values()
    ]
    return {record.sha256: record for record in records}


def all_releases(tree: Tree) -> list[Release]:
    """Return every pack and bundle that a repository has released.

    Raises:
        ReleaseError: a record is not one that this version writes.
    """
    found: list[Release] = [*bundles(tree.roles[BACKBONES].signed)]
    for name, role in tree.roles.items():
        if name not in (BACKBONES, ROLLOUT):
            found += packs(role.signed)
    return found


def release_name(release: Release) -> str:
    """Return what people call a release: "leaves-2" or "bundle-3"."""
    return release.path.rpartition("/")[2].removesuffix(".ecpack").removesuffix(".json")


def select_releases(offered: Iterable[Release], names: Iterable[str]) -> list[Release]:
    """Return the releases that are meant by some names.

    Args:
        offered: All that there are.
        names: "leaves-2" (on every backbone that has it), "bundle-3", a target path, or 12 or more digits of a sha256.

    Raises:
        RepositoryError: a name means none of them.
    """
    offered = list(offered)
    chosen: dict[str, Release] = {}
    for name in names:
        meant = [release for release in offered if _is_meant(release, name)]
        if not meant:
            known = ", ".join(sorted({release_name(release) for release in offered})[:20]) or "nothing"
            raise RepositoryError.at(
                name,
                found="no release of that name",
                expected=f"one of {known}",
                fix="See: edgecl repo check REPO",
            )
        chosen |= {release.path: release for release in meant}
    return list(chosen.values())


def _is_meant(release: Release, name: str) -> bool:
    if name in (release.path, release_name(release)):
        return True
    return len(name) >= _LEAST_DIGITS and release.sha256.startswith(name)


def _sha256(target: TargetFile) -> str:
    return target.hashes.get("sha256", "")
