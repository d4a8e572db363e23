"""The gate before anything ships: torch and the device's own code must agree on real, held-out inputs."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.training.features import features as torch_features
from edgecl_export.errors import TESTED_TORCH, GateError
from edgecl_runtime.heads import linear_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.backbones.huggingface import Backbone
    from edgecl.training.loop import Prepared
    from edgecl_runtime.engine import Engine, PlacedTask
    from edgecl_runtime.preprocess import Preprocessor
    from edgecl_runtime.tensors import TaskTensors

NO_TASK_TOLERANCE = 1e-5
TASK_TOLERANCE = 1e-4
OWN_ERRORS = 4  # a sum in another order may be off by a few times what torch's is
BATCH = 64


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the exported graph is from the trained model.

    Attributes:
        task: Whose tensors were active; None for the bare backbone.
        items: Real inputs compared.
        max_difference: Largest absolute difference of a feature between the graph and torch in float64.
        torch_difference: The same between torch in float32 and in float64: what float32 costs on these inputs.
        tolerance: What is allowed: a fixed bound, or a few times `torch_difference` where that is more, but never
            more than 1e-4 of the largest feature.
        labels_differ: Inputs whose predicted label differs.
    """

    task: str | None
    items: int
    max_difference: float
    torch_difference: float
    tolerance: float
    labels_differ: int

    @property
    def holds(self) -> bool:
        """Whether the two are the same for every practical purpose."""
        # An overflow on both sides would make difference and tolerance infinite together.
        return (
            np.isfinite(self.tolerance) and self.max_difference <= self.tolerance and not self.labels_differ
        )

    def require(self) -> None:
        """Do nothing if the gate is passed.

        Raises:
            GateError: It is not.
        """
        if not self.holds:
            raise GateError(
                f"{'the bare backbone' if self.task is None else f'task {self.task!r}'}: features differ by "
                f"{self.max_difference:.1e} between torch and onnxruntime on {self.items} held-out inputs (allowed: "
                f"{self.tolerance:.0e}), labels on {self.labels_differ} of them. It was not written. "
                f"Export with torch {TESTED_TORCH}, and report this if it persists",
                measured=self,
            )


class Reference:
    """The trained model in torch, in float64 as the truth and in float32 as the measure of rounding.

    On real images some backbones lose 3e-4 of a feature of 20 to float32 alone, in torch as in onnxruntime.
    Against float64 the two are told apart; a bound on the difference of two rounded results would not.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._float32 = backbone.module.cpu()
        self._float64 = copy.deepcopy(self._float32).double()
        self._preprocessor = backbone.preprocessor

    @property
    def preprocessor(self) -> Preprocessor:
        """Of the backbone."""
        return self._preprocessor

    def features(self, items: Prepared, task: TaskTensors | None) -> tuple[NDArray[np.floating], float]:
        """Return features [N, D] float64 of prepared inputs, and how far torch in float32 is from them."""
        exact, rounded = (
            torch_features(module, items, preprocessor=self._preprocessor, task=task)
            for module in (self._float64, self._float32)
        )
        return exact, _largest(rounded, exact)


def compare_bare(reference: Reference, engine: Engine, preprocessor: Preprocessor, items: Prepared) -> Parity:
    """Return how far the exported graph without a task is from torch on prepared inputs."""
    expected, own = reference.features(items, None)
    found = engine_features(engine.place(None), preprocessor, items)
    tolerance = _allowed(NO_TASK_TOLERANCE, own, expected)
    return Parity(None, len(items), _largest(found, expected), own, tolerance, 0)


def compare_task(
    reference: Reference,
    engine: Engine,
    preprocessor: Preprocessor,
    items: Prepared,
    *,
    task: str,
    tensors: TaskTensors,
) -> Parity:
    """Return how far features and labels under a task are from torch.

    Args:
        reference: The trained model.
        engine: The exported graph, run by the code of the device.
        preprocessor: Of the backbone.
        items: Prepared held-out inputs.
        task: Name, for the report.
        tensors: The task as the pack stores it, that is rounded.
    """
    expected, own = reference.features(items, tensors)
    found = engine_features(engine.place(tensors.graph_inputs()), preprocessor, items)
    differ = int((predicted(expected, tensors) != predicted(found, tensors)).sum())
    tolerance = _allowed(TASK_TOLERANCE, own, expected)
    return Parity(task, len(items), _largest(found, expected), own, tolerance, differ)


def _allowed(fixed: float, own: float, expected: NDArray[np.floating]) -> float:
    """Return the bound, or a few times torch's own error, but never more than 1e-4 of the largest feature."""
    most = TASK_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    return max(fixed, min(OWN_ERRORS * own, most))


def engine_features(placed: PlacedTask, preprocessor: Preprocessor, items: Prepared) -> NDArray[np.float32]:
    """Return features [N, D] of prepared inputs, as the device computes them."""
    batches = [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
    return np.concatenate([placed.run(preprocessor.batch(batch)) for batch in batches])


def predicted(features: NDArray[np.floating], tensors: TaskTensors) -> NDArray[np.intp]:
    """Return the class [N] that the head of a task finds in features [N, D]."""
    weight, bias = (head.astype(np.float32) for head in (tensors.head_weight, tensors.head_bias))
    classes: NDArray[np.intp] = linear_scores(features, weight, bias).argmax(axis=1)
    return classes


def _largest(found: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    return float(np.abs(found - expected).max())
