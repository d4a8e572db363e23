"""A signed repository and a device that follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from edgecl_runtime import Runtime
from edgecl_runtime.ota import Updater
from edgecl_runtime.ota.setup import set_up
from tests.export.repository.factories import NOW, Signers, add, make_repository, make_signers, pack
from tests.ota.field import passes
from tests.runtime.factories import IMAGE_BUNDLE


@dataclass
class Clock:
    """A clock that stands."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class Fleet:
    """A signed repository and one device that follows it."""

    folder: Path
    signers: Signers = field(default_factory=make_signers)

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def store(self) -> Path:
        return self.folder / "device"

    def updater(self, **options: Any) -> Updater:
        return Updater(self.store, **{"probe": passes, "clock": Clock(), **options})

    def add(self, *paths: Path, **options: Any) -> None:
        add(self.repository, self.signers, *paths, **options)

    def release(self, version: int = 1, task: str = "leaves", **options: Any) -> Path:
        path = pack(self.folder, version=version, task=task)
        self.add(path, **options)
        return path

    def versions(self) -> dict[str, int]:
        """Return the version of the pack in use, by task."""
        runtime = Runtime.open(self.store)
        return {task: runtime.pack(task).manifest.version for task in runtime.tasks}


def make_fleet(folder: Path) -> Fleet:
    """Return a device that was set up, and a repository that has a backbone and the task "leaves"."""
    fleet = Fleet(folder)
    make_repository(fleet.repository, fleet.signers)
    fleet.add(IMAGE_BUNDLE)
    fleet.release()
    set_up(fleet.store, repository=str(fleet.repository), root=fleet.repository / "metadata" / "1.root.json")
    return fleet
