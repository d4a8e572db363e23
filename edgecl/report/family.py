"""Which task started from which: a tree for each run in which tasks started from earlier ones.

A task stands below the earlier one whose modules it started from. One that started from a mean of its family stands
below the first task, which begins the family: below the newest member, fifty tasks would be fifty lists deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecl.report.arms import Arm, Comparison
from edgecl.report.heatmaps import gain_unit
from edgecl.report.html import element, text
from edgecl.report.measured import MeasuredRun

if TYPE_CHECKING:
    from edgecl.training.records import TaskRecord


def family_trees(comparison: Comparison) -> str:
    """Return a tree for each run in which a task started from another, as HTML; nothing if none did."""
    trees = [
        f"<details open>{element('summary', text(f'{arm.name}, seed {run.seed}'))}"
        f"{element('p', text(_meaning(arm)))}{_tree(arm, run)}</details>"
        for arm in comparison.arms
        for run in arm.runs
        if any(task.parent in run.names for task in run.tasks)
    ]
    return element("div", "\n".join(trees), class_="trees") if trees else ""


def _is_of_single_tasks(arm: Arm) -> bool:
    """Return whether tasks start from one earlier task, not from a mean of several."""
    return arm.config.transfer.start == "gated" and arm.config.transfer.proposal == "tasks"


def _meaning(arm: Arm) -> str:
    """Return what it means that a task stands below another."""
    if _is_of_single_tasks(arm):
        return "A task stands below the one it started from."
    transfer = arm.config.transfer
    kind = transfer.proposal if transfer.start == "gated" else "average"
    if kind == "average" and transfer.average_rate == 1:
        return "Below the first task: those that started from the one above them."
    return f"Below the first task: those that started from the {kind} of it and of those above them."


def _tree(arm: Arm, run: MeasuredRun) -> str:
    children: dict[str | None, list[TaskRecord]] = {}
    for task in run.tasks:
        parent = task.parent if task.parent in run.names else None
        if parent is not None and not _is_of_single_tasks(arm):
            parent = run.names[0]
        children.setdefault(parent, []).append(task)
    return _branch(children.get(None, []), children, gain_unit(arm), class_="tree")


def _branch(
    tasks: Sequence[TaskRecord],
    children: dict[str | None, list[TaskRecord]],
    unit: str,
    **attributes: str,
) -> str:
    """Return a list of tasks, each with the list of those that started from it."""
    items = []
    for task in tasks:
        below = children.get(task.name, [])
        branch = _branch(below, children, unit) if below else ""
        items.append(element("li", text(task.name) + _gain(task, unit) + branch))
    return element("ul", "\n".join(items), **attributes)


def _gain(task: TaskRecord, unit: str) -> str:
    gain = task.parent_gains.get(task.parent or "")
    if gain is None:
        return ""
    said = f" {gain.points:+.1f} ± {gain.error:.1f} {unit}"
    if task.parent_evidence is not None:
        said += (
            f", with the tasks before {task.parent_evidence.points:+.1f} ± {task.parent_evidence.error:.1f}"
        )
    return element("span", text(said), class_="gain")
