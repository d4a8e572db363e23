"""What rounding costs: accuracy on held-out items in the number types of the device, against float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl_export.errors import GateError
from edgecl_export.parity import engine_features, predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.training.heldout import HeldOut
    from edgecl_export.parity import Reference
    from edgecl_runtime.engine import Engine
    from edgecl_runtime.tensors import TaskTensors

CALIBRATION_STEP = 4


@dataclass(frozen=True, slots=True)
class Shipping:
    """How a task ships, and what that may cost.

    Attributes:
        precision: Of the graph: `fp32`, `fp16` or `int8`.
        pack_type: Of the task's tensors: `F16` or `I8`.
        max_loss: Accuracy that it may cost, percent points.
    """

    precision: str
    pack_type: str
    max_loss: float


@dataclass(frozen=True, slots=True)
class Loss:
    """How accurate a task is on a graph or with tensors of lower precision.

    Attributes:
        task: The task.
        precision: Of the graph: `fp32`, `fp16` or `int8`.
        pack_type: Of the task's tensors: `F16` or `I8`.
        items: Held-out inputs that were compared; none of them took part in calibration.
        accuracy_fp32: With graph and tensors in float32, percent.
        accuracy: With both as they are shipped, percent.
        allowed: How much lower it may be, percent points.
        labels_differ: Inputs whose predicted label differs.
        max_difference: Largest absolute difference of a feature.
    """

    task: str
    precision: str
    pack_type: str
    items: int
    accuracy_fp32: float
    accuracy: float
    allowed: float
    labels_differ: int
    max_difference: float

    @property
    def points(self) -> float:
        """What the lower precision costs, percent points; below 0 where it happens to help."""
        return self.accuracy_fp32 - self.accuracy

    @property
    def holds(self) -> bool:
        """Whether the loss is within what is allowed."""
        return self.points <= self.allowed and bool(np.isfinite(self.max_difference))

    def require(self) -> None:
        """Do nothing if the gate is passed.

        Raises:
            GateError: It is not.
        """
        if not self.holds:
            raise GateError(
                f"task {self.task!r}: {self.accuracy:.1f} % of {self.items} held-out inputs are right with a graph in "
                f"{self.precision} and tensors in {self.pack_type}, {self.accuracy_fp32:.1f} % in float32 (allowed "
                f"loss: {self.allowed:g} points). It was not written. Export in a higher precision, or allow more "
                "with --max-loss",
                measured=self,
            )


def calibration_rows(count: int) -> NDArray[np.bool_]:
    """Return which of a task's held-out items set the ranges of an int8 graph, and so measure no loss."""
    rows: NDArray[np.bool_] = np.arange(count) % CALIBRATION_STEP == 0
    return rows


def compare_precision(
    reference: Reference,
    engine: Engine,
    heldout: HeldOut,
    *,
    task: str,
    trained: TaskTensors,
    shipped: TaskTensors,
    shipping: Shipping,
) -> Loss:
    """Return how much accuracy a task loses.

    Args:
        reference: The trained model.
        engine: The exported graph, run by the code of the device.
        heldout: Items of the task.
        task: Its name.
        trained: Its tensors in float32.
        shipped: The same as the pack stores them.
        shipping: How it ships.
    """
    rows = np.flatnonzero(~calibration_rows(len(heldout.targets)))
    items, targets = tuple(heldout.prepared[row] for row in rows), heldout.targets[rows]
    expected, _ = reference.features(items, trained)
    found = engine_features(engine.place(shipped.graph_inputs()), reference.preprocessor, items)
    labels, shipped_labels = predicted(expected, trained), predicted(found, shipped)
    return Loss(
        task=task,
        precision=shipping.precision,
        pack_type=shipping.pack_type,
        items=len(items),
        accuracy_fp32=100 * float((labels == targets).mean()),
        accuracy=100 * float((shipped_labels == targets).mean()),
        allowed=shipping.max_loss,
        labels_differ=int((labels != shipped_labels).sum()),
        max_difference=float(np.abs(found - expected).max()),
    )
