"""Which prefixes are put in the place of a task's own, and what they change."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecl_runtime.manifest import Dimensions
from edgecl_runtime.tensors import TaskTensors, expected_shapes
from scripts.measure_prefixes import of_arm, variants

SHAPES = expected_shapes(
    Dimensions(layers=2, width=8, heads=2, head_dim=4), prefix_length=3, rank=2, classes=2
)


def make_task(value: float) -> TaskTensors:
    """Return a task of which every entry is this."""
    return TaskTensors(**{name: np.full(shape, value, np.float32) for name, shape in SHAPES.items()})


def entries(task: TaskTensors) -> dict[str, set[float]]:
    """Return the values in each tensor."""
    return {name: set(np.unique(array).tolist()) for name, array in task.items()}


def test_only_prefixes_are_put_in_the_place_of_a_tasks_own() -> None:
    found = variants(make_task(1.0), make_task(2.0))
    prefixes = {"own": 1.0, "of_the_task_before": 2.0, "zeros": 0.0}
    assert {kind: entries(task) for kind, task in found.items()} == {
        kind: {name: {value if name.startswith("prefix") else 1.0} for name in SHAPES}
        for kind, value in prefixes.items()
    }
    assert all(task.prefix_k.shape == SHAPES["prefix_k"] for task in found.values())


def test_an_arm_is_the_mean_over_its_seeds_and_the_largest_change_that_of_one_task() -> None:
    def run(*zeros: float) -> dict[str, Any]:
        return {"tasks": [{"own": 80.0, "of_the_task_before": 70.0, "zeros": value} for value in zeros]}

    found = of_arm([run(80.0, 78.0), run(85.0, 81.0)])
    assert found["own"] == {"mean": 80.0, "sd": 0.0}
    assert found["zeros"] == {"mean": 81.0, "sd": 2.828}
    assert (found["largest_difference"], found["seeds"]) == (5.0, 2)
