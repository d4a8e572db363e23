"""Features and accuracy of a task in torch, batch by batch and without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from edgecl.training.loop import Prepared, model_inputs
from edgecl_runtime.heads import linear_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl_runtime.preprocess import Preprocessor
    from edgecl_runtime.tensors import TaskTensors

BATCH = 64


@torch.inference_mode()
def features(
    backbone: InjectedBackbone, prepared: Prepared, *, preprocessor: Preprocessor, task: TaskTensors | None
) -> NDArray[np.floating]:
    """Return features [N, D] under a task, or of the bare backbone for None, in the backbone's own precision."""
    weight = next(backbone.parameters())
    inputs = None
    if task is not None:
        inputs = {name: torch.from_numpy(array).to(weight) for name, array in task.graph_inputs().items()}
    rows = []
    for start in range(0, len(prepared), BATCH):
        batch = model_inputs(preprocessor, prepared[start : start + BATCH], weight.device)
        batch = {
            name: tensor.to(weight.dtype) if tensor.is_floating_point() else tensor
            for name, tensor in batch.items()
        }
        rows.append(backbone(batch, inputs).cpu().numpy())
    return np.concatenate(rows)


def accuracy(
    backbone: InjectedBackbone,
    prepared: Prepared,
    targets: NDArray[np.int64],
    *,
    preprocessor: Preprocessor,
    task: TaskTensors,
) -> float:
    """Return the accuracy of a task's tensors on prepared items, percent."""
    found = features(backbone, prepared, preprocessor=preprocessor, task=task)
    scores = linear_scores(found, task.head_weight, task.head_bias)
    return 100.0 * float((scores.argmax(axis=1) == targets).mean())
