"""Features and predicted classes in torch, batch by batch and without gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from edgecl.training.loop import Prepared, model_inputs
from edgecl_runtime.heads import linear_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.methods import TaskLearner
    from edgecl_runtime.preprocess import Preprocessor
    from edgecl_runtime.tensors import TaskTensors

BATCH = 64


def features(
    backbone: InjectedBackbone, prepared: Prepared, *, preprocessor: Preprocessor, task: TaskTensors | None
) -> NDArray[np.floating]:
    """Return features [N, D] under a task, or of the bare backbone for None, in the backbone's own precision."""
    weight = next(backbone.parameters())
    task_inputs: dict[str, Tensor] | None = None
    if task is not None:
        task_inputs = {
            name: torch.from_numpy(array).to(weight) for name, array in task.graph_inputs().items()
        }
    return _in_batches(lambda inputs: backbone(inputs, task_inputs), weight, prepared, preprocessor)


def predictions(
    backbone: InjectedBackbone, prepared: Prepared, *, preprocessor: Preprocessor, task: TaskTensors
) -> NDArray[np.int64]:
    """Return the classes [N] that a task's tensors predict."""
    found = features(backbone, prepared, preprocessor=preprocessor, task=task)
    classes: NDArray[np.int64] = linear_scores(found, task.head_weight, task.head_bias).argmax(axis=1)
    return classes


def learner_features(
    learner: TaskLearner, backbone: InjectedBackbone, prepared: Prepared, *, preprocessor: Preprocessor
) -> NDArray[np.floating]:
    """Return the features [N, D] of a learner as it is now; it is moved to the backbone's device."""
    weight = next(backbone.parameters())
    learner.to(weight.device)  # type: ignore[attr-defined]  # every learner is a module
    return _in_batches(lambda inputs: learner.features(backbone, inputs), weight, prepared, preprocessor)


def learner_predictions(
    learner: TaskLearner, backbone: InjectedBackbone, prepared: Prepared, *, preprocessor: Preprocessor
) -> NDArray[np.int64]:
    """Return the classes [N] that a learner predicts as it is now."""
    weight = next(backbone.parameters())
    scores = _in_batches(
        lambda inputs: learner.head(learner.features(backbone, inputs)), weight, prepared, preprocessor
    )
    classes: NDArray[np.int64] = scores.argmax(axis=1)
    return classes


@torch.inference_mode()
def _in_batches(
    forward: Callable[[Mapping[str, Tensor]], Tensor],
    weight: Tensor,
    prepared: Prepared,
    preprocessor: Preprocessor,
) -> NDArray[np.floating]:
    """Return what a function gives for all items; inputs have the type and the device of `weight`."""
    rows = []
    for start in range(0, len(prepared), BATCH):
        batch = model_inputs(preprocessor, prepared[start : start + BATCH], weight.device)
        typed = {
            name: tensor.to(weight.dtype) if tensor.is_floating_point() else tensor
            for name, tensor in batch.items()
        }
        rows.append(forward(typed).cpu().numpy())
    return np.concatenate(rows)
