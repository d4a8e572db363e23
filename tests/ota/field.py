"""A device and a repository whose records nobody signed: for what happens after signatures were checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from edgecl_runtime import Bundle, read_bundle
from edgecl_runtime.errors import UpdateError
from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.folder_origin import FolderOrigin
from edgecl_runtime.ota.probe import ProbeLimits, ProbeResult
from edgecl_runtime.ota.release import (
    BundleFile,
    BundleRelease,
    PackRelease,
    Rollout,
    bundle_file_path,
    bundle_path,
    pack_path,
)
from edgecl_runtime.ota.report import Report
from edgecl_runtime.ota.session import Session
from edgecl_runtime.ota.trial import Callback, Judge, Probe
from edgecl_runtime.store import Selection, State, Store
from tests.ota.offers import NOW, make_release, make_rollout
from tests.runtime.factories import IMAGE_BUNDLE, make_pack


def passes(bundle: Path, packs: Sequence[Path], limits: ProbeLimits) -> ProbeResult:
    """Be content with anything: for tests of what comes after the self-test."""
    return ProbeResult(None)


class UnsignedRepository:
    """A folder of files, and the records of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle_releases: list[BundleRelease] = []
        self.pack_releases: list[PackRelease] = []
        self.rollout_records: dict[str, Rollout] = {}
        self.refused: list[UpdateError] = []
        self.error: UpdateError | None = None

    def refresh(self) -> None:
        if self.error is not None:
            raise self.error

    def now(self) -> datetime:
        return NOW

    def bundles(self) -> list[BundleRelease]:
        return self.bundle_releases

    def packs(self, backbone: str) -> list[PackRelease]:
        return [release for release in self.pack_releases if release.backbone == backbone]

    def rollouts(self) -> dict[str, Rollout]:
        return self.rollout_records

    def location(self, path: str, sha256: str) -> str:
        folder, _, name = path.rpartition("/")
        return f"targets/{folder}/{sha256}.{name}"

    def put(self, path: str, content: bytes) -> str:
        """Store a file, and return its sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        place = self.folder / self.location(path, sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return sha256


class Field:
    """One device that follows one repository."""

    def __init__(self, folder: Path, *, device: Device | None = None, probe: Probe = passes) -> None:
        self.repository = UnsignedRepository(folder / "repository")
        self.repository.folder.mkdir(parents=True)
        self.store = folder / "device"
        self.device = device or Device("device-1")
        self.probe = probe
        self.callbacks: list[Callback] = []
        self.limits = ProbeLimits()
        Store.create(self.store)

    def release_bundle(self, source: Path = IMAGE_BUNDLE, **changes: Any) -> BundleRelease:
        """Release a backbone."""
        bundle = read_bundle(source)
        counter = changes.get("release_counter", 1)
        path = bundle_path(bundle.fingerprint, counter)
        content = (source / "bundle.json").read_bytes()
        release = BundleRelease(
            path=path,
            length=len(content),
            sha256=self.repository.put(path, content),
            line="default",
            release_counter=counter,
            backbone=bundle.fingerprint,
            min_runtime=bundle.min_runtime,
            files=tuple(self._release_file(bundle, name) for name in bundle.files),
        )
        self.repository.bundle_releases.append(replace(release, **changes))
        return self.repository.bundle_releases[-1]

    def release_pack(
        self,
        *,
        task: str = "leaves",
        version: int = 1,
        raw: bytes | None = None,
        source: Path = IMAGE_BUNDLE,
        **changes: Any,
    ) -> PackRelease:
        """Release a pack of the image backbone, or the bytes that are given."""
        backbone = read_bundle(source).fingerprint
        content = raw or make_pack(task=task, version=version, fingerprint=backbone)
        path = pack_path(backbone, task, version)
        release = make_release(
            path=path,
            task=task,
            version=version,
            length=len(content),
            sha256=self.repository.put(path, content),
            backbone=backbone,
        )
        self.repository.pack_releases.append(replace(release, **changes))
        return self.repository.pack_releases[-1]

    def roll_out(self, sha256: str, **changes: Any) -> None:
        """Narrow the rollout of some content."""
        self.repository.rollout_records[sha256] = make_rollout(sha256, **changes)

    def update(self) -> Report:
        """Let the device update itself once."""
        with Store.open(self.store) as store:
            session = Session(store, Judge(self.probe, self.limits, tuple(self.callbacks)))
            session.begin()
            origin = FolderOrigin(self.repository.folder)
            session.update(self.repository, origin, self.device, None)
            return session.report(origin)

    @property
    def state(self) -> State:
        """What the store says."""
        with Store.open(self.store) as store:
            return store.state()

    @property
    def active(self) -> Selection:
        """What is in use."""
        return self.state.active

    @property
    def versions(self) -> dict[str, str]:
        """The sha256 of the pack in use, by task."""
        return {task: pack.sha256 for task, pack in self.active.packs.items()}

    def _release_file(self, bundle: Bundle, name: str) -> BundleFile:
        entry = bundle.files[name]
        path = bundle_file_path(bundle.fingerprint, entry.sha256, name)
        self.repository.put(path, (bundle.path / name).read_bytes())
        return BundleFile(name, path, entry.sha256, entry.size_bytes)


def make_field(folder: Path, **options: Any) -> Field:
    """Return a device that has a backbone and no pack yet."""
    field = Field(folder, **options)
    field.release_bundle()
    report = field.update()
    assert report.errors == ()
    return field
