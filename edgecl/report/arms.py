"""Runs of equal settings are one arm, seeds of each other; arms are compared only like with like."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edgecl.config import TABLES, RunConfig
from edgecl.errors import ConfigError
from edgecl.report.floors import with_floors
from edgecl.report.likeness import require_alike, require_alone, require_once
from edgecl.report.measured import MeasuredRun, read_measured, what_was_learned
from edgecl.report.numbers import Spread, spread

if TYPE_CHECKING:
    from edgecl.training.run import Run

EASY = 95.0
"""Percent: where frozen features reach more, there is nothing left for a method to show."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs that differ in their seed, and in the order of their tasks as well where no seed has two.

    What is measured or kept besides, and the device, may differ too (`what_was_learned`).

    Attributes:
        name: What their folders have in common.
        runs: Sorted by seed.
    """

    name: str
    runs: tuple[MeasuredRun, ...]

    @property
    def config(self) -> RunConfig:
        """The settings of the first run."""
        return self.runs[0].record.config

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(run.seed for run in self.runs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms on the same tasks and the same backbone.

    Attributes:
        arms: In the order in which they were given.
        alone: Runs in which every task was learned as if it were the first.
        left_out: Tasks that means leave out: their best floor, averaged over seeds, is above `EASY`.
    """

    arms: tuple[Arm, ...]
    alone: tuple[MeasuredRun, ...]
    left_out: frozenset[str]

    @property
    def runs(self) -> tuple[MeasuredRun, ...]:
        """The runs of all arms."""
        return tuple(run for arm in self.arms for run in arm.runs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks in the order of the first run."""
        return self.runs[0].names

    @property
    def is_one_order(self) -> bool:
        """Whether all runs learned the tasks in the same order."""
        return all(run.names == self.tasks for run in self.runs)

    def differing(self) -> dict[str, tuple[str, ...]]:
        """Return by dotted key the settings that differ between arms, one value for each arm."""
        values = [_settings(arm) for arm in self.arms]
        rows = {key: tuple(value[key] for value in values) for key in values[0]}
        return {key: row for key, row in rows.items() if len(set(row)) > 1}

    def common(self) -> dict[str, str]:
        """Return by dotted key the settings that all arms share."""
        differing = self.differing()
        settings = _settings(self.arms[0])
        hidden = {"seed", "backbone.source", "training.heldout_items"}
        hidden |= {key for key in settings if key.startswith("evaluation.")}
        return {key: value for key, value in settings.items() if key not in {*differing, *hidden}}


def compare(runs: Sequence[Run], alone: Sequence[Run] = ()) -> Comparison:
    """Return runs grouped into arms.

    Args:
        runs: At least one.
        alone: What forward transfer is measured against: the same tasks, each learned as if it were the first.

    Raises:
        ConfigError: No run, one twice, runs of different backbones, tasks or data, or a reference that is none.
        RunError: A run has no finished task, or is damaged.
    """
    if not runs:
        raise ConfigError.at("runs", found="none", expected="at least one", fix="Name the folder of a run.")
    measured = [read_measured(run) for run in runs]
    references = tuple(read_measured(run) for run in alone)
    require_alike([*measured, *references])
    for reference in references:
        require_alone(reference)
    complete = with_floors(measured, [*measured, *references])
    groups = [
        group
        for equal in _grouped(complete, lambda run: what_was_learned(run.record.config))
        for group in _by_order(equal)
    ]
    for group in groups:
        require_once(group)
    return Comparison(_named(groups), references, _easy([*complete, *references]))


def best_floor(runs: Sequence[MeasuredRun], name: str) -> Spread | None:
    """Return the best floor of a task over the seeds of runs; None if none measured it."""
    by_seed: dict[int, float] = {}
    for run in runs:
        floor = run.task(name).best_floor
        if floor is not None:
            by_seed.setdefault(run.seed, floor)
    found = spread(list(by_seed.values()), otherwise="")
    return found if isinstance(found, Spread) else None


def _grouped(runs: Sequence[MeasuredRun], key: Callable[[MeasuredRun], Hashable]) -> list[list[MeasuredRun]]:
    groups: dict[Hashable, list[MeasuredRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def _by_order(runs: list[MeasuredRun]) -> list[list[MeasuredRun]]:
    """Return runs of equal settings by the order of their tasks, where a seed was learned in more than one."""
    has_seed_twice = len({run.seed for run in runs}) < len(runs)
    return _grouped(runs, lambda run: run.names) if has_seed_twice else [runs]


def _easy(runs: Sequence[MeasuredRun]) -> frozenset[str]:
    floors = {name: best_floor(runs, name) for name in runs[0].names}
    return frozenset(name for name, floor in floors.items() if floor is not None and floor.mean > EASY)


def _named(groups: Sequence[Sequence[MeasuredRun]]) -> tuple[Arm, ...]:
    """Return arms with names that differ."""
    arms: list[Arm] = []
    for number, group in enumerate(groups, start=1):
        stems = {_stem(run) for run in group}
        name = stems.pop() if len(stems) == 1 else group[0].record.config.method.name
        if name in {arm.name for arm in arms}:
            name = f"{name} ({number})"
        arms.append(Arm(name, tuple(sorted(group, key=lambda run: run.seed))))
    return tuple(arms)


def _stem(run: MeasuredRun) -> str:
    """Return the name of a run's folder without its seed; the folder above where nothing else is left."""
    folder = run.folder.resolve()
    stem = re.sub(rf"(^|[-_. ]+)(seed|s)?[-_]?{run.seed}$", "", folder.name, flags=re.IGNORECASE)
    return stem or folder.parent.name or folder.name


def _settings(arm: Arm) -> dict[str, str]:
    """Return what an arm was trained with, and on which devices: seconds are only as good as these."""
    devices = sorted({run.record.config.training.device for run in arm.runs})
    return _flat(what_was_learned(arm.config)) | {"training.device": ", ".join(devices)}


def _flat(config: RunConfig) -> dict[str, str]:
    """Return every setting by its dotted key, as text."""
    flat = {"seed": str(config.seed)}
    for table in TABLES:
        for key, value in msgspec.structs.asdict(getattr(config, table)).items():
            flat[f"{table}.{key}"] = "–" if value is None else str(value)
    return flat
