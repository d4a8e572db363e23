"""What a student is penalised for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

if TYPE_CHECKING:
    from edgecl.pretraining.batches import Wanted
    from edgecl.pretraining.config import LossConfig
    from edgecl.pretraining.student import Outputs


def student_loss(outputs: Outputs, wanted: Wanted, config: LossConfig) -> Tensor:
    """Return the weighted sum of the losses, a mean over the images of the batch.

    A classifier that only looks on is trained by weight 1: its gradient ends before the backbone.
    """
    labels = cross_entropy(outputs.scores, wanted.labels, label_smoothing=config.label_smoothing)
    loss = (config.labels or 1.0) * labels
    if outputs.pooled is not None and wanted.pooled is not None:
        loss = loss + config.pooled * smooth_l1_loss(outputs.pooled, wanted.pooled)
    if outputs.tokens is not None and wanted.tokens is not None:
        loss = loss + config.tokens * smooth_l1_loss(outputs.tokens, wanted.tokens)
    return loss
