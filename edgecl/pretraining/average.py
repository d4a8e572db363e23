"""The running average of the weights, which generalises better than the last ones (Polyak and Juditsky 1992)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim.swa_utils import PARAM_LIST


class RunningAverage(AveragedModel):
    """A copy of a student that follows it at each update: decay * average + (1 - decay) * weights.

    The decay of update n, from 0, is `min(decay, (1 + n) / (10 + n))`: with a constant one, the random start would be
    `decay ** n` of the average, nearly half of it after 400 updates by 0.998.
    """

    def __init__(self, student: nn.Module, decay: float) -> None:
        """Copy the student; `n_averaged` says how many updates there were, for one that goes on."""
        super().__init__(student, multi_avg_fn=self._follow)
        self._decay = decay

    def _follow(self, averages: PARAM_LIST, weights: PARAM_LIST, _: Tensor | int) -> None:
        updates = int(
            self.n_averaged
        )  # this one lies on the CPU and the argument does not: no wait for a GPU
        follow = get_ema_multi_avg_fn(min(self._decay, (1 + updates) / (10 + updates)))
        follow(averages, weights, updates)


def is_finite(module: nn.Module) -> bool:
    """Say whether all parameters are numbers."""
    return all(bool(parameter.isfinite().all()) for parameter in module.parameters())
