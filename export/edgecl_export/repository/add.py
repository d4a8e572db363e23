"""Releasing packs and bundles: each gets a signed record with a counter that only grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from tuf.api.metadata import Targets

from edgecl_export.repository.edition import Edition, open_edition
from edgecl_export.repository.errors import ReleaseRefusedError
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.listing import Release, bundles, packs, release_name
from edgecl_export.repository.roles import delegation, release_keys
from edgecl_export.repository.rollout import limit
from edgecl_export.repository.sources import BundleSource, PackSource, read_sources
from edgecl_runtime.bundle import read_bundle
from edgecl_runtime.ota.release import (
    BACKBONES,
    BundleFile,
    BundleRelease,
    PackRelease,
    bundle_file_path,
    bundle_path,
    pack_path,
    role_of,
)

R = TypeVar("R", PackRelease, BundleRelease)

__all__ = ["AddOptions", "Added", "add_releases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions:
    """How packs and bundles are released.

    Attributes:
        percent: Share of the devices that get them, or None for all. Packs for a backbone that is new go to all
            devices that get the backbone.
        salt: Chooses which devices these are; None: others with every release.
        again: Release content that is already there once more, under a higher counter.
        line: Which bundles a bundle replaces.
        admit: A bundle whose backbone may get packs from now on, although it is not released itself.
    """

    percent: float | None = None
    salt: str | None = None
    again: bool = False
    line: str = "default"
    admit: Path | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one pack or bundle.

    Attributes:
        release: Its record.
        is_new: False if it was released before, and nothing was done.
    """

    release: Release
    is_new: bool


def add_releases(
    folder: Path,
    keyring: Keyring,
    paths: Sequence[Path],
    *,
    now: datetime,
    options: AddOptions | None = None,
) -> tuple[Added, ...]:
    """Release packs and bundles in one step, and return what became of each.

    Args:
        folder: The repository.
        keyring: Has keys of release and online; to admit a backbone, of targets too.
        paths: Packs, and folders of bundles, which bring the packs in their `packs/` along.
        now: The time of signing.
        options: How they are released.

    Raises:
        PackError: a pack cannot be read.
        BundleError: a bundle cannot be read.
        ReleaseRefusedError: a pack's backbone has no role, or its version is there with other bytes, or is below
            the newest.
        MissingKeysError: keys are not at hand. Nothing was published.
    """
    options = options or AddOptions()
    sources = read_sources(paths)
    with open_edition(folder, keyring, now=now) as edition:
        if options.admit is not None:
            _admit(edition, read_bundle(options.admit).fingerprint)
        added = [_add_bundle(edition, source, options) for source in sources.bundles]
        added += [_add_pack(edition, source, options) for source in sources.packs]
        for each in added:
            if each.is_new:
                percent = None if _comes_with_its_backbone(edition, each.release) else options.percent
                limit(edition, each.release, percent=percent, salt=options.salt)
        edition.publish()
    return tuple(added)


def _admit(edition: Edition, fingerprint: str) -> None:
    role = role_of(fingerprint)
    if not edition.has_role(role):
        edition.add_role(delegation(role), release_keys(edition.role(Targets.type)))


def _comes_with_its_backbone(edition: Edition, release: Release) -> bool:
    """Say whether only devices that switch to a backbone which is new now will see a pack.

    A share of its own would hold these devices back: they switch when they have every pack.
    """
    return isinstance(release, PackRelease) and role_of(release.backbone) not in edition.tree.roles


def _add_bundle(edition: Edition, source: BundleSource, options: AddOptions) -> Added:
    listed = bundles(edition.role(BACKBONES))
    line = [release for release in listed if release.line == options.line]
    known = _newest(release for release in line if release.sha256 == source.described.sha256)
    if known is not None and not options.again:
        return Added(known, is_new=False)
    # Counters run over all lines, because the path does not tell the line.
    release = _bundle_release(
        source, options.line, 1 + max((each.release_counter for each in listed), default=0)
    )
    _admit(edition, release.backbone)
    for file in release.files:
        edition.add_file(BACKBONES, file.path, source.files[file.name])
    edition.add_file(BACKBONES, release.path, source.described, release.as_custom())
    return Added(release, is_new=True)


def _add_pack(edition: Edition, source: PackSource, options: AddOptions) -> Added:
    role = role_of(source.manifest.fingerprint)
    if not edition.has_role(role):
        raise ReleaseRefusedError.at(
            source.path,
            found=f"a pack for backbone {source.manifest.fingerprint[:12]}",
            expected="a backbone that the repository has admitted",
            fix="Release its bundle, or name it with --bundle; both need the targets keys",
        )
    task = [release for release in packs(edition.role(role)) if release.task == source.manifest.task]
    known = _newest(release for release in task if release.sha256 == source.content.sha256)
    if known is not None and not options.again:
        return Added(known, is_new=False)
    newest = _newest(task)
    _check_version(source, task, again=options.again)
    release = _pack_release(source, 1 if newest is None else 1 + newest.release_counter)
    edition.add_file(role, release.path, source.content, release.as_custom())
    return Added(release, is_new=True)


def _check_version(source: PackSource, task: list[PackRelease], *, again: bool) -> None:
    version, versions = source.manifest.version, {release.version: release for release in task}
    same = versions.get(version)
    if same is not None and same.sha256 != source.content.sha256:
        raise ReleaseRefusedError.at(
            source.path,
            found=f"other bytes than the release {release_name(same)} has",
            expected="one pack per version",
            fix="Build it again with a higher --version",
        )
    if versions and version < max(versions) and not again:
        raise ReleaseRefusedError.at(
            source.path,
            found=f"version {version} of {source.manifest.task}",
            expected=f"a version above {max(versions)}, which is released",
            fix="To go back to it, pass --again",
        )


def _pack_release(source: PackSource, counter: int) -> PackRelease:
    manifest = source.manifest
    return PackRelease(
        path=pack_path(manifest.fingerprint, manifest.task, manifest.version),
        length=source.content.length,
        sha256=source.content.sha256,
        task=manifest.task,
        version=manifest.version,
        release_counter=counter,
        backbone=manifest.fingerprint,
        format=manifest.format_version,
        min_runtime=manifest.min_runtime,
        device_class=manifest.device_class,
    )


def _bundle_release(source: BundleSource, line: str, counter: int) -> BundleRelease:
    bundle = source.bundle
    return BundleRelease(
        path=bundle_path(bundle.fingerprint, counter),
        length=source.described.length,
        sha256=source.described.sha256,
        line=line,
        release_counter=counter,
        backbone=bundle.fingerprint,
        min_runtime=bundle.min_runtime,
        files=tuple(
            BundleFile(
                name, bundle_file_path(bundle.fingerprint, file.sha256, name), file.sha256, file.length
            )
            for name, file in sorted(source.files.items())
        ),
    )


def _newest(releases: Iterable[R]) -> R | None:
    return max(releases, key=lambda release: release.release_counter, default=None)
