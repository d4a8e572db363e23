"""A signed repository in memory, with keys of its own and a clock that can be set.

Every version that was published stays in `files`, so that an attack is an assignment: `sim.files = old_files`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.clock import Clock
from edgecl_runtime.ota.limits import Deadline
from edgecl_runtime.ota.origin import Body, Origin
from edgecl_runtime.ota.release import (
    BACKBONES,
    EMPTY_SHA256,
    ROLLOUT,
    BundleFile,
    BundleRelease,
    PackRelease,
    Rollout,
    bundle_file_path,
    bundle_path,
    pack_path,
    role_of,
    signed_at_field,
)
from edgecl_runtime.ota.trust import Refreshed, Trust
from edgecl_runtime.store import HighWater, Store

_Kind = TypeVar("_Kind", Root, Targets, Snapshot, Timestamp)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BACKBONE = "ab" * 32
OTHER_BACKBONE = "cd" * 32
LIFETIMES = {"root": 1095, "targets": 365, BACKBONES: 365, ROLLOUT: 30, "snapshot": 30, "timestamp": 7}
TOP_LEVEL = ("root", "targets", "snapshot", "timestamp")


@dataclass
class FakeClock:
    """A clock that stands where it was put."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class MemoryOrigin:
    """Serves what a simulator has published so far, and remembers what was asked for."""

    files: Mapping[str, bytes]
    server_time: datetime | None = None
    asked: list[str] = field(default_factory=list)
    requests: int = 0
    received: int = 0

    def __enter__(self) -> MemoryOrigin:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def open(self, path: str, *, start: int = 0, deadline: Deadline) -> Iterator[Body]:
        self.requests += 1
        self.asked.append(path)
        if path not in self.files:
            raise TransferError(
                path, found="status 404", expected="status 200", reason="http-404", retryable=False
            )
        content = self.files[path]
        self.received += len(content) - start
        yield Body(start=start, total=len(content), chunks=iter([content[start:]]))


class Simulator:
    """A repository with one delegated backbone, published once."""

    def __init__(self, now: datetime = NOW, *, signs_time: bool = True) -> None:
        self.now = now
        self.signs_time = signs_time
        self.files: dict[str, bytes] = {}
        # Until when the next version of a role is valid, where a test has chosen it.
        self.expires: dict[str, datetime] = {}
        # Those of the last root, who sign the next one too.
        self.root_signers: list[CryptoSigner] = []
        self.signers: dict[str, list[CryptoSigner]] = {}
        self.signed: dict[str, Root | Targets | Snapshot | Timestamp] = {
            "root": Root(consistent_snapshot=True),
            "targets": Targets(delegations=Delegations(keys={}, roles={})),
            "snapshot": Snapshot(),
            "timestamp": Timestamp(),
        }
        for role in TOP_LEVEL:
            self.set_keys(role, count=3 if role == "root" else 1, threshold=2 if role == "root" else 1)
        self.delegate(role_of(BACKBONE), f"packs/{BACKBONE[:12]}/*")
        self.delegate(BACKBONES, f"{BACKBONES}/*/*")
        self.delegate(ROLLOUT, f"{ROLLOUT}/*")
        self.publish_root()
        self.publish()

    @property
    def root(self) -> Root:
        return _typed(self.signed["root"], Root)

    @property
    def targets(self) -> Targets:
        return _typed(self.signed["targets"], Targets)

    @property
    def snapshot(self) -> Snapshot:
        return _typed(self.signed["snapshot"], Snapshot)

    @property
    def timestamp(self) -> Timestamp:
        return _typed(self.signed["timestamp"], Timestamp)

    @property
    def delegated(self) -> dict[str, DelegatedRole]:
        """The delegations of the top-level targets, by role."""
        delegations = self.targets.delegations
        assert delegations is not None
        assert delegations.roles is not None
        return delegations.roles

    def role(self, name: str) -> Targets:
        """Return a role that signs targets."""
        return _typed(self.signed[name], Targets)

    # Keys and delegations

    def set_keys(self, role: str, *, count: int = 1, threshold: int = 1) -> None:
        """Give a role new keys; its delegator names them when it is published next."""
        self.signers[role] = [CryptoSigner.generate_ed25519() for _ in range(count)]
        if role in TOP_LEVEL:
            self.root.roles[role] = Role([], threshold)
            for signer in self.signers[role]:
                self.root.add_key(signer.public_key, role)
            return
        self.delegated[role].keyids = []
        for signer in self.signers[role]:
            self.targets.add_key(signer.public_key, role)

    def delegate(self, role: str, pattern: str) -> None:
        """Let a new role sign the paths of a pattern."""
        self.delegated[role] = DelegatedRole(role, [], 1, True, paths=[pattern])
        self.signed[role] = Targets()
        self.set_keys(role)

    # Content

    def add_pack(
        self, content: bytes, *, task: str = "leaves", counter: int = 1, version: int = 1, **changes: Any
    ) -> PackRelease:
        """Release a pack; `changes` are other fields of its record. It is offered after `publish`."""
        backbone = changes.pop("backbone", BACKBONE)
        release = PackRelease(
            path=pack_path(backbone, task, version),
            length=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            task=task,
            version=version,
            release_counter=counter,
            backbone=backbone,
            format=1,
            min_runtime="0.1.0",
            device_class=None,
        )
        release = replace(release, **changes)
        self.add_target(role_of(backbone), release.path, content, custom=release.as_custom())
        return release

    def add_bundle(
        self, files: Mapping[str, bytes], *, counter: int = 1, backbone: str = BACKBONE, line: str = "default"
    ) -> BundleRelease:
        """Release a bundle, given its files with bundle.json among them. It is offered after `publish`."""
        listed = []
        for name, content in files.items():
            if name != "bundle.json":
                sha256 = hashlib.sha256(content).hexdigest()
                path = bundle_file_path(backbone, sha256, name)
                self.add_target(BACKBONES, path, content)
                listed.append(BundleFile(name, path, sha256, len(content)))
        head = files["bundle.json"]
        release = BundleRelease(
            path=bundle_path(backbone, counter),
            length=len(head),
            sha256=hashlib.sha256(head).hexdigest(),
            line=line,
            release_counter=counter,
            backbone=backbone,
            min_runtime="0.1.0",
            files=tuple(listed),
        )
        self.add_target(BACKBONES, release.path, head, custom=release.as_custom())
        return release

    def set_rollout(self, rollout: Rollout) -> None:
        """Narrow or withdraw some content, from the next `publish` on."""
        target = TargetFile(0, {"sha256": EMPTY_SHA256}, rollout.path)
        target.unrecognized_fields["custom"] = rollout.as_custom()
        self.role(ROLLOUT).targets[rollout.path] = target

    def add_target(self, role: str, path: str, content: bytes, *, custom: object = None) -> None:
        """Let a role list a file, whatever its path, and serve it."""
        target = TargetFile.from_data(path, content, ["sha256"])
        if custom is not None:
            target.unrecognized_fields["custom"] = custom
        self.role(role).targets[path] = target
        folder, slash, name = path.rpartition("/")
        self.files[f"targets/{folder}{slash}{target.hashes['sha256']}.{name}"] = content

    # Publication

    def publish_root(self) -> None:
        """Sign a new version of root with its present keys, and with those of the version before."""
        self.root.version += 1 if "metadata/1.root.json" in self.files else 0
        signers = list(self.signers["root"])
        signers += [signer for signer in self.root_signers if signer not in signers]
        self.root_signers = list(self.signers["root"])
        self.files[f"metadata/{self.root.version}.root.json"] = self._encode("root", signers)

    def publish(self, *roles: str) -> None:
        """Sign a new version of these roles (of all, if none is named), then snapshot and timestamp."""
        names = roles or tuple(name for name in self.signed if name not in ("root", "snapshot", "timestamp"))
        for name in names:
            self.publish_role(name)
        self.publish_snapshot()
        self.publish_timestamp()

    def publish_role(self, name: str) -> None:
        """Sign a new version of a role and list it for the next snapshot."""
        signed = self.role(name)
        signed.version += 1 if f"metadata/1.{name}.json" in self.files else 0
        raw = self._encode(name)
        self.files[f"metadata/{signed.version}.{name}.json"] = raw
        self.snapshot.meta[f"{name}.json"] = _meta(signed.version, raw)

    def publish_snapshot(self) -> None:
        """Sign a new snapshot and list it for the next timestamp."""
        self.snapshot.version += 1 if "metadata/1.snapshot.json" in self.files else 0
        raw = self._encode("snapshot")
        self.files[f"metadata/{self.snapshot.version}.snapshot.json"] = raw
        self.timestamp.snapshot_meta = _meta(self.snapshot.version, raw)

    def publish_timestamp(self) -> None:
        """Sign a new timestamp."""
        self.timestamp.version += 1 if "metadata/timestamp.json" in self.files else 0
        self.files["metadata/timestamp.json"] = self._encode("timestamp")

    def _encode(self, name: str, signers: list[CryptoSigner] | None = None) -> bytes:
        signed = self.signed[name]
        signed.expires = self.expires.get(name, self.now + timedelta(days=LIFETIMES.get(name, 180)))
        if self.signs_time:
            signed.unrecognized_fields.update(signed_at_field(self.now))
        metadata: Metadata[Any] = Metadata(signed)
        for number, signer in enumerate(signers or self.signers[name]):
            metadata.sign(signer, append=number > 0)
        return metadata.to_bytes(JSONSerializer(compact=True))

    # Views

    def root_bytes(self, version: int = 1) -> bytes:
        """Return a version of root.json, for instance as the trust anchor of a device."""
        return self.files[f"metadata/{version}.root.json"]

    def saved(self) -> dict[str, bytes]:
        """Return all that is served now, for a replay later."""
        return copy.copy(self.files)

    def origin(self) -> MemoryOrigin:
        """Return an origin that serves what is there at each moment, also after later publications."""
        return MemoryOrigin(self.files)

    def write_to(self, folder: Path) -> Path:
        """Write all files below a folder, as a web server or a drive has them."""
        for name, content in self.files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return folder


class DeviceStub:
    """A device with a real store, that asks simulators what is new."""

    def __init__(self, state: Path, root: bytes, *, clock: FakeClock | None = None) -> None:
        self.state, self.root = state, root
        self.clock: Clock = clock or FakeClock()
        Store.create(state)

    def trust(self, origin: Origin, store: Store) -> Trust:
        """Return a trusted view that was not refreshed yet."""
        return Trust(
            self.state,
            root=self.root,
            origin=origin,
            high_water=store.high_water,
            clock=self.clock,
            sleep=lambda _: None,
        )

    def refresh(self, files: Mapping[str, bytes], *, server_time: datetime | None = None) -> Refreshed:
        """Follow what is served once."""
        with Store.open(self.state) as store:
            return self.trust(MemoryOrigin(files, server_time), store).refresh()

    def follow(self, files: Mapping[str, bytes]) -> None:
        """Follow what is served once, with every role that a device asks for."""
        with Store.open(self.state) as store:
            trust = self.trust(MemoryOrigin(files), store)
            trust.refresh()
            trust.packs(BACKBONE)
            trust.bundles()
            trust.rollouts()

    def seen(self) -> HighWater:
        """Return what is on record."""
        with Store.open(self.state) as store:
            return store.high_water.load()

    def now(self, files: Mapping[str, bytes]) -> datetime:
        """Return the time that the device would believe."""
        with Store.open(self.state) as store:
            return self.trust(MemoryOrigin(files), store).now()

    def packs(self, files: Mapping[str, bytes], backbone: str = BACKBONE) -> tuple[PackRelease, ...]:
        """Follow what is served once, and return the packs of a backbone."""
        with Store.open(self.state) as store:
            trust = self.trust(MemoryOrigin(files), store)
            trust.refresh()
            return trust.packs(backbone)


def _meta(version: int, raw: bytes) -> MetaFile:
    return MetaFile(version, len(raw), {"sha256": hashlib.sha256(raw).hexdigest()})


def _typed(signed: object, kind: type[_Kind]) -> _Kind:
    assert isinstance(signed, kind)
    return signed
