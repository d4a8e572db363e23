"""The one record that decides what a device runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from edgecl_runtime import fields as read
from edgecl_runtime.errors import FieldError, StoreError
from edgecl_runtime.store.checked import FORMAT_VERSION
from edgecl_runtime.store.high_water import HighWater
from edgecl_runtime.store.records import (
    Committed,
    PackRecord,
    Selection,
    Trial,
    bundle_key,
    count,
    mapped,
    pack_key,
)

__all__ = ["SEVERITIES", "State", "parse_state"]

SEVERITIES: Final = ("normal", "unsafe")
_KEYS = (
    "format_version",
    "generation",
    "active",
    "previous",
    "previous_set",
    "trial",
    "committed",
    "quarantine",
    "withdrawn",
    "high_water",
)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a device runs, what it can go back to, and what it must not take.

    Attributes:
        generation: Grows with every change.
        active: What runs.
        previous: The good pack of each task before the active one, on the active backbone.
        previous_set: The backbone before the active one, with its packs.
        trial: What is being tried.
        committed: The highest release ever committed, by key; going back does not lower it.
        quarantine: Contents that failed, with the release counter they had: only a higher one is tried again.
        withdrawn: Contents in use or kept that the publisher took back: "normal", or "unsafe" to keep at all.
        high_water: A copy of the record of that name, from the last commit.
    """

    generation: int = 0
    active: Selection = field(default_factory=Selection)
    previous: Mapping[str, PackRecord] = field(default_factory=lambda: _NOTHING)
    previous_set: Selection | None = None
    trial: Trial | None = None
    committed: Mapping[str, Committed] = field(default_factory=lambda: _NOTHING)
    quarantine: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    withdrawn: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    high_water: HighWater = field(default_factory=HighWater)

    def committed_pack(self, task: str, backbone: str) -> Committed | None:
        """Return the highest release of a task on a backbone that was ever committed."""
        return self.committed.get(pack_key(task, backbone))

    def committed_bundle(self, line: str) -> Committed | None:
        """Return the highest release of a line of bundles that was ever committed."""
        return self.committed.get(bundle_key(line))

    def is_quarantined(self, sha256: str, release_counter: int) -> bool:
        """Return whether this content failed here under this release counter or a higher one."""
        return release_counter <= self.quarantine.get(sha256, 0)

    def blobs(self) -> dict[str, int]:
        """Return the size of each content that is in use, tried or kept to go back to, by sha256."""
        sets = (self.active, self.previous_set, self.trial.selection if self.trial else None)
        found = {pack.sha256: pack.size_bytes for pack in self.previous.values()}
        for selection in sets:
            found.update(selection.blobs() if selection else {})
        return found

    def bundles(self) -> set[str]:
        """Return the sha256 of the bundle.json of each bundle that is in use, tried or kept to go back to."""
        sets = (self.active, self.previous_set, self.trial.selection if self.trial else None)
        return {selection.bundle.sha256 for selection in sets if selection and selection.bundle}

    def to_json(self) -> dict[str, Any]:
        """Return what `parse_state` reads."""
        return {
            "format_version": FORMAT_VERSION,
            "generation": self.generation,
            "active": self.active.to_json(),
            "previous": {task: pack.to_json() for task, pack in self.previous.items()},
            "previous_set": None if self.previous_set is None else self.previous_set.to_json(),
            "trial": None if self.trial is None else self.trial.to_json(),
            "committed": {key: release.to_json() for key, release in self.committed.items()},
            "quarantine": dict(self.quarantine),
            "withdrawn": dict(self.withdrawn),
            "high_water": self.high_water.to_json(),
        }


def parse_state(body: object, where: str) -> State:
    """Return the state in a parsed JSON object.

    Raises:
        StoreError: it is not one that this edgecl-runtime knows.
    """
    try:
        return _parse(body)
    except FieldError as error:
        raise StoreError(
            f"{where}: {error.where}",
            found=error.found,
            expected=error.expected,
            advice="A newer edgecl-runtime wrote it: install that one again.",
        ) from error


def _parse(body: object) -> State:
    data = read.record(body, "state", required=_KEYS)
    read.integer(data["format_version"], "format_version", minimum=1, maximum=FORMAT_VERSION)
    before, trial = data["previous_set"], data["trial"]
    return State(
        generation=count(data["generation"], "generation"),
        active=Selection.from_json(data["active"], "active"),
        previous=mapped(data["previous"], "previous", PackRecord.from_json),
        previous_set=None if before is None else Selection.from_json(before, "previous_set"),
        trial=None if trial is None else Trial.from_json(trial, "trial"),
        committed=mapped(data["committed"], "committed", Committed.from_json),
        quarantine=mapped(data["quarantine"], "quarantine", count),
        withdrawn=mapped(data["withdrawn"], "withdrawn", _severity),
        high_water=HighWater.from_json(data["high_water"], "high_water"),
    )


def _severity(value: object, where: str) -> str:
    return read.choice(value, where, among=SEVERITIES)
