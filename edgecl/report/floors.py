"""Floors belong to items, not to a method: runs that measured none have those of a run of the same seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from edgecl.report.measured import MeasuredRun

if TYPE_CHECKING:
    from edgecl.training.records import TaskRecord

Items = tuple[int, str, str]


def with_floors(runs: Sequence[MeasuredRun], lenders: Iterable[MeasuredRun]) -> list[MeasuredRun]:
    """Return runs in which a task without floors has those that a lender of the same seed measured on its items."""
    found: dict[Items, MeasuredRun] = {}
    for lender in lenders:
        for task in lender.tasks:
            if task.floors:
                found.setdefault(_items(lender, task), lender)
    return [_completed(run, found) for run in runs]


def _completed(run: MeasuredRun, found: dict[Items, MeasuredRun]) -> MeasuredRun:
    lenders = {
        task.name: found[_items(run, task)]
        for task in run.tasks
        if not task.floors and _items(run, task) in found
    }
    tasks = [
        msgspec.structs.replace(task, floors=lenders[task.name].task(task.name).floors)
        if task.name in lenders
        else task
        for task in run.tasks
    ]
    return replace(
        run, tasks=tuple(tasks), floors_from={name: lender.folder for name, lender in lenders.items()}
    )


def _items(run: MeasuredRun, task: TaskRecord) -> Items:
    return run.seed, task.name, task.data_fingerprint
