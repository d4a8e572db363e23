"""What a runtime says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecl_runtime.counters import Percentiles
from edgecl_runtime.engine import Backend

__all__ = ["RuntimeStatus"]


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """What is open, what it costs in bytes, and how long the last calls took.

    Attributes:
        backend: How tasks are switched.
        tasks: Open tasks.
        mapped_bytes: Of their packs, all mapped files together.
        active_tasks: Tasks, and sets of tasks that shared a call, whose tensors are kept ready.
        active_bytes: Of those, beside the packs.
        active_budget_bytes: The most that `active_bytes` may be.
        stages: Percentiles by stage: prepare, switch, run, head; without those that never ran.
    """

    backend: Backend
    tasks: int
    mapped_bytes: int
    active_tasks: int
    active_bytes: int
    active_budget_bytes: int
    stages: Mapping[str, Percentiles]
