"""Makes releases and rollouts for the tests of what a device chooses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.release import BundleFile, BundleRelease, PackRelease, Rollout, bundle_file_path
from edgecl_runtime.ota.select import Selector

BACKBONE = "ab" * 32
OTHER_BACKBONE = "cd" * 32
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
DEVICE = Device("device-1")


def digest(text: str) -> str:
    """Return a sha256."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_release(**changes: Any) -> PackRelease:
    """Return version 1 of the task "leaves", whose content differs with every version."""
    version = changes.get("version", 1)
    task = changes.get("task", "leaves")
    release = PackRelease(
        path=f"packs/{BACKBONE[:12]}/{task}-{version}.ecpack",
        length=1000,
        sha256=digest(f"{task} {version}"),
        task="leaves",
        version=1,
        release_counter=version,
        backbone=BACKBONE,
        format=1,
        min_runtime="0.1.0",
        device_class=None,
    )
    return replace(release, **changes)


def make_bundle_release(**changes: Any) -> BundleRelease:
    """Return the first release of a backbone."""
    counter = changes.get("release_counter", 1)
    content = digest("graph")
    release = BundleRelease(
        path=f"backbones/{BACKBONE[:12]}/bundle-{counter}.json",
        length=500,
        sha256=digest(f"bundle {counter}"),
        line="default",
        release_counter=1,
        backbone=BACKBONE,
        min_runtime="0.1.0",
        files=(
            BundleFile("backbone.onnx", bundle_file_path(BACKBONE, content, "backbone.onnx"), content, 9000),
        ),
    )
    return replace(release, **changes)


def make_rollout(sha256: str, **changes: Any) -> Rollout:
    """Return a rollout to everybody, less what the changes say."""
    return replace(Rollout(sha256=sha256, percent=100.0, salt="first"), **changes)


def make_selector(
    *rollouts: Rollout,
    device: Device = DEVICE,
    quarantine: Mapping[str, int] | None = None,
    now: datetime = NOW,
) -> Selector:
    """Return the selector of a device."""
    return Selector(device, {rollout.sha256: rollout for rollout in rollouts}, quarantine or {}, now)
