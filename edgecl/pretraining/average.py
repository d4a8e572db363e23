"""The running average of the weights, which generalises better than the last ones (Polyak and Juditsky 1992)."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def running_average(student: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a student that follows it at each update: decay * average + (1 - decay) * weights."""
    return AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(decay))
