"""How a device stands: for people, and for a program that watches a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecl_runtime.ota.config import DeviceConfig, read_config
from edgecl_runtime.store import DiskFiles, Journal, PackRecord, State, StoreReader
from edgecl_runtime.store.layout import Layout

__all__ = ["DeviceStatus", "read_status"]

LAST_EVENTS: Final = 10


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What the folder of a device store says.

    Attributes:
        config: How the device is set up.
        state: What is in use and what is kept.
        events: What happened last, oldest first.
    """

    config: DeviceConfig
    state: State
    events: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the status as one JSON object."""
        bundle, trial = self.state.active.bundle, self.state.trial
        return {
            "device": self.config.to_json(),
            "generation": self.state.generation,
            "backbone": None if bundle is None else bundle.to_json(),
            "tasks": [self._task(pack) for pack in self._packs()],
            "trial": None if trial is None else trial.to_json(),
            "quarantine": dict(self.state.quarantine),
            "withdrawn": dict(self.state.withdrawn),
            "events": [dict(event) for event in self.events],
        }

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of each line for people."""
        device, bundle = self.config.device, self.state.active.bundle
        yield "repository", self.config.repository
        yield "device", device.device_id or "without an id", device.device_class or "of any class"
        yield "backbone", f"{bundle.backbone[:12]}, release {bundle.release_counter}" if bundle else "none"
        for pack in self._packs():
            previous = self.state.previous.get(pack.task)
            back = (
                f"can go back to release {previous.release_counter}" if previous else "nothing to go back to"
            )
            yield "task", pack.task, f"release {pack.release_counter}", back
        for sha256, counter in self.state.quarantine.items():
            yield "refused", sha256[:12], f"failed here as release {counter}"
        for event in self.events:
            yield "event", *(str(value) for value in event.values() if value is not None)

    def _packs(self) -> list[PackRecord]:
        return [self.state.active.packs[task] for task in sorted(self.state.active.packs)]

    def _task(self, pack: PackRecord) -> dict[str, Any]:
        previous = self.state.previous.get(pack.task)
        return pack.to_json() | {"previous": None if previous is None else previous.to_json()}


def read_status(store: Path) -> DeviceStatus:
    """Return how a device stands, without waiting for an update that is at work.

    Raises:
        StoreError: the store was not set up, or cannot be read.
        StateLostError: both copies of the state are damaged or gone.
    """
    events = Journal(DiskFiles(), Layout(store).journal).read()
    return DeviceStatus(read_config(store), StoreReader(store).state(), tuple(events[-LAST_EVENTS:]))
