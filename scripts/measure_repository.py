"""Measure a repository of many packs: what one device fetches to know what is new, and how long a release takes.

    python scripts/measure_repository.py --packs 1000 --backbones 4 --out docs/results/repository-1000.json

The packs have random tensors: only their number and names matter here. The device is the runtime's own: bytes and
requests are counted where it reads files. Times are CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgecl_export.repository import (
    RoleKeys,
    add_releases,
    check_repository,
    create_repository,
    set_rollout,
)
from edgecl_runtime import Dimensions
from edgecl_runtime.ota.origin import open_origin
from edgecl_runtime.ota.trust import Trust
from scripts.repository_workload import PACKAGES, Memory, make_bundle, make_keyring, make_pack
from scripts.result_files import surroundings, write_result

DIMENSIONS = Dimensions(layers=2, width=8, heads=2, head_dim=4)


class Device:
    """One device as far as metadata goes: it asks for everything that it needs to choose its packs."""

    def __init__(self, repository: Path, folder: Path, fingerprint: str) -> None:
        self._repository, self._folder, self._fingerprint = repository, folder, fingerprint
        self._root = (repository / "metadata" / "1.root.json").read_bytes()
        self._memory = Memory()
        folder.mkdir()

    def refresh(self) -> dict[str, float]:
        """Return the requests, bytes and CPU milliseconds of one poll, and the packs it finds."""
        started = time.process_time()
        with open_origin(str(self._repository)) as origin:
            trust = Trust(self._folder, root=self._root, origin=origin, high_water=self._memory)
            trust.refresh()
            trust.rollouts()
            trust.bundles()
            packs = trust.packs(self._fingerprint)
            took = time.process_time() - started
            return {
                "requests": origin.requests,
                "bytes": origin.received,
                "cpu_ms": round(took * 1e3, 1),
                "packs": len(packs),
            }


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note the CPU seconds of a `with` block."""
    started = time.process_time()
    yield
    seconds[name] = round(time.process_time() - started, 3)


def measure(folder: Path, *, packs: int, backbones: int) -> dict[str, Any]:
    """Return all figures of one repository."""
    repository, keyring, seconds = folder / "repository", make_keyring(), dict[str, float]()
    create_repository(repository, keyring, keys=RoleKeys(), now=now())
    bundles = [folder / f"bundle-{number}" for number in range(backbones)]
    fingerprints = [
        make_bundle(bundle, number=number, dimensions=DIMENSIONS, graph_bytes=1_000)
        for number, bundle in enumerate(bundles)
    ]
    with timed(seconds, "admit all backbones"):
        add_releases(repository, keyring, bundles, now=now())
    files = [
        make_pack(
            folder,
            fingerprint=fingerprints[number % backbones],
            task=f"task-{number:04}",
            version=1,
            dimensions=DIMENSIONS,
        )
        for number in range(packs)
    ]
    with timed(seconds, "release all packs in one step"):
        add_releases(repository, keyring, files, now=now())
    device = Device(repository, folder / "device", fingerprints[0])
    first, no_news = device.refresh(), device.refresh()
    one_more = make_pack(
        folder, fingerprint=fingerprints[0], task="task-0000", version=2, dimensions=DIMENSIONS
    )
    with timed(seconds, "release one more pack"):
        add_releases(repository, keyring, [one_more], now=now())
    after_release = device.refresh()
    with timed(seconds, "roll it out to 10 %"):
        set_rollout(repository, keyring, ["task-0000-2"], percent=10, now=now())
    after_rollout = device.refresh()
    with timed(seconds, "check"):
        report = check_repository(repository, now=now())
    return {
        "settings": {"packs": packs, "backbones": backbones},
        "one device": {
            "first refresh": first,
            "no news": no_news,
            "after a release": after_release,
            "after a rollout": after_rollout,
        },
        "metadata_bytes": {role.name: role.size_bytes for role in report.roles},
        "cpu_seconds": seconds,
    }


def now() -> datetime:
    """Return the time of signing."""
    return datetime.now(UTC)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packs", type=int, default=1_000)
    parser.add_argument("--backbones", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), packs=options.packs, backbones=options.backbones)
    write_result(options.out, result | surroundings(*PACKAGES))


if __name__ == "__main__":
    main()
