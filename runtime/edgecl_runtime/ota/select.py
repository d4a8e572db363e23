"""What a device installs next: pure functions over what a repository offers and what the device has.

The questions, in this order: is the release newer than what was committed (counter), does it fit (gate), is it
withdrawn, did it fail here before (quarantine), and is it this device's turn (rollout). The highest counter that passes
them all is installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from edgecl_runtime.errors import CounterError, UpdateError
from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.gate import check_gate
from edgecl_runtime.ota.release import BundleRelease, PackRelease, Rollout

__all__ = [
    "BUCKETS",
    "Choice",
    "Device",
    "Held",
    "Selector",
    "Slot",
    "bucket",
    "is_offered",
]

BUCKETS: Final = 10_000

R = TypeVar("R", PackRelease, BundleRelease)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a device has of one task on one backbone, or of one line of backbones.

    Attributes:
        counter: The highest release counter that was ever committed; 0 for never.
        newest: The content that was committed under it, if that is known.
        active: The content in use, or None.
    """

    counter: int = 0
    newest: str | None = None
    active: str | None = None


EMPTY: Final = Slot()


@dataclass(frozen=True, slots=True)
class Held:
    """A release that is newer and is not installed, and why.

    Attributes:
        path: Of the release in the repository.
        release_counter: Its counter.
        reason: "incompatible", "counter", "withdrawn", "quarantined", "rollout", or "set" for a backbone that lacks
            packs.
        message: The same for people.
        error: The error, where it is one.
    """

    path: str
    release_counter: int
    reason: str
    message: str
    error: UpdateError | None = None


@dataclass(frozen=True, slots=True)
class Choice(Generic[R]):
    """What to install, at most one release per task or line, and what waits."""

    install: tuple[R, ...] = ()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """The choice of one device at one moment.

    Attributes:
        device: Who asks.
        rollouts: By the sha256 of the content.
        quarantine: Contents that failed here, with the counter they had.
        now: The time, in UTC.
    """

    device: Device
    rollouts: Mapping[str, Rollout]
    quarantine: Mapping[str, int]
    now: datetime

    def packs(
        self, releases: Sequence[PackRelease], slots: Mapping[str, Slot], *, backbone: str
    ) -> Choice[PackRelease]:
        """Return the packs to install on a backbone.

        Args:
            releases: All that the role of the backbone lists.
            slots: What the device has of each task on this backbone.
            backbone: The full fingerprint.
        """
        wanted = self.device.tasks
        tasks = sorted({release.task for release in releases if wanted is None or release.task in wanted})
        choices = [
            self._choose(
                [release for release in releases if release.task == task], slots.get(task, EMPTY), backbone
            )
            for task in tasks
        ]
        return Choice(
            tuple(release for choice in choices for release in choice.install),
            tuple(held for choice in choices for held in choice.held),
        )

    def bundle(self, releases: Sequence[BundleRelease], slot: Slot) -> Choice[BundleRelease]:
        """Return the backbone to switch to, if there is a newer one on the device's line."""
        return self._choose([release for release in releases if release.line == self.device.line], slot, None)

    def _choose(self, releases: Sequence[R], slot: Slot, backbone: str | None) -> Choice[R]:
        held: list[Held] = []
        for release in sorted(releases, key=lambda release: release.release_counter, reverse=True):
            try:
                _check_counters(releases, release, slot)
                if not _is_news(release, slot):
                    break
                check_gate(release, self.device, backbone=backbone)
            except UpdateError as error:
                held.append(Held(release.path, release.release_counter, error.reason, str(error), error))
                if isinstance(error, CounterError):
                    break
                continue
            waits = self._waits(release)
            if waits is None:
                return Choice((release,), tuple(held))
            held.append(Held(release.path, release.release_counter, *waits))
        return Choice((), tuple(held))

    def _waits(self, release: R) -> tuple[str, str] | None:
        """Return why a release that fits is not installed now, as reason and message."""
        rollout = self.rollouts.get(release.sha256)
        if rollout is not None and rollout.withdrawn:
            return "withdrawn", f"{release.path} was withdrawn by its publisher"
        failed = self.quarantine.get(release.sha256)
        if failed is not None and failed >= release.release_counter:
            return (
                "quarantined",
                f"{release.path} failed on this device; a higher release counter tries it again",
            )
        if not is_offered(rollout, device_id=self.device.device_id, sha256=release.sha256, now=self.now):
            return "rollout", f"{release.path} is not rolled out to this device yet"
        return None


def bucket(device_id: str, *, salt: str, sha256: str) -> int:
    """Return the place of a device in a rollout, from 0 to 9,999, even over all devices and new for every salt."""
    digest = hashlib.sha256(f"{salt}|{device_id}|{sha256}".encode()).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_offered(rollout: Rollout | None, *, device_id: str | None, sha256: str, now: datetime) -> bool:
    """Say whether a content is for this device now.

    Nobody gets it before `not_before`; from `deadline` on everybody does; in between those whose bucket lies below
    `percent`. A device without an id gets what is for everybody.
    """
    if rollout is None:
        return True
    if rollout.withdrawn or (rollout.not_before is not None and now < rollout.not_before):
        return False
    if rollout.deadline is not None and now >= rollout.deadline:
        return True
    reached = round(rollout.percent * BUCKETS / 100)
    if device_id is None:
        return reached >= BUCKETS
    return bucket(device_id, salt=rollout.salt, sha256=sha256) < reached


def _is_news(release: PackRelease | BundleRelease, slot: Slot) -> bool:
    """Say whether a release is above what was committed, or is that again after it had to be left."""
    if release.release_counter > slot.counter:
        return True
    return release.release_counter == slot.counter and release.sha256 == slot.newest != slot.active


def _check_counters(releases: Sequence[R], release: R, slot: Slot) -> None:
    highest = max(releases, key=lambda other: other.release_counter)
    if highest.release_counter < slot.counter:
        raise CounterError(
            release.path,
            found=f"release counter {highest.release_counter}",
            expected=f"{slot.counter} or higher",
        )
    same = {other.sha256 for other in releases if other.release_counter == release.release_counter}
    if release.release_counter == slot.counter and slot.newest is not None:
        same.add(slot.newest)
    if len(same) > 1:
        raise CounterError(
            release.path,
            found=f"other content under release counter {release.release_counter}",
            expected="one content per counter",
        )
