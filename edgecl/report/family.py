"""Which task started from which: a tree for each run in which tasks started from earlier ones.

A task stands below the earlier one whose modules it started from, or below the newest of those whose average it did.
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
        f"{element('p', text(_meaning(arm)))}{_tree(run, gain_unit(arm))}</details>"
        for arm in comparison.arms
        for run in arm.runs
        if any(task.parent in run.names for task in run.tasks)
    ]
    return element("div", "\n".join(trees), class_="trees") if trees else ""


def _meaning(arm: Arm) -> str:
    """Return what it means that a task stands below another."""
    transfer = arm.config.transfer
    if transfer.start == "gated" and transfer.proposal == "tasks":
        return "A task stands below the one it started from."
    kind = transfer.proposal if transfer.start == "gated" else "average"
    return f"A task stands below the newest of those whose {kind} it started from."


def _tree(run: MeasuredRun, unit: str) -> str:
    children: dict[str | None, list[TaskRecord]] = {}
    for task in run.tasks:
        parent = task.parent if task.parent in run.names else None
        children.setdefault(parent, []).append(task)
    return _branch(children.get(None, []), children, unit, class_="tree")


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
