"""Where the next step of the optimiser would lead, without taking it.

At the first step of a task nothing has moved yet, so the gradient of the drift is zero. Measured where the task's own
loss would lead, it is not ("Continual Learning with Hypernetworks", von Oswald et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class _Recipe:
    """The options of one group of an AdamW optimiser."""

    learning_rate: float
    betas: tuple[float, float]
    epsilon: float
    weight_decay: float

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        if group["amsgrad"] or group["maximize"]:
            raise ValueError(
                "lookahead: found amsgrad or maximize, expected neither. Make AdamW without them"
            )
        first, second = group["betas"]
        return cls(
            float(group["lr"]),
            (float(first), float(second)),
            float(group["eps"]),
            float(group["weight_decay"]),
        )


def adam_step(optimizer: torch.optim.AdamW, parameters: Iterable[nn.Parameter]) -> dict[nn.Parameter, Tensor]:
    """Return the change that the next step of an optimiser would make to each parameter, detached.

    Parameters without a gradient, and those that the optimiser does not train, are left out. Neither the parameters
    nor the state of the optimiser are touched.

    Args:
        optimizer: Trains the parameters.
        parameters: Whose change is wanted; their `.grad` is that of the task's loss alone.

    Raises:
        ValueError: The optimiser uses amsgrad, or maximises.
    """
    wanted, steps = set(parameters), {}
    for group in optimizer.param_groups:
        recipe = _Recipe.of(group)
        for parameter in group["params"]:
            if parameter in wanted and parameter.grad is not None:
                state = optimizer.state.get(parameter)
                steps[parameter] = _change(parameter.detach(), parameter.grad, state, recipe)
    return steps


def ahead(module: nn.Module, steps: Mapping[nn.Parameter, Tensor]) -> dict[str, Tensor]:
    """Return the parameters of a module after the steps, by name, for `torch.func.functional_call`.

    Gradients of what is computed with them flow to the parameters as they are now.
    """
    return {
        name: parameter + steps[parameter] if parameter in steps else parameter
        for name, parameter in module.named_parameters()
    }


@torch.no_grad()
def _change(
    parameter: Tensor, gradient: Tensor, state: Mapping[str, Tensor] | None, recipe: _Recipe
) -> Tensor:
    """Return the step of AdamW (Loshchilov & Hutter 2019, algorithm 2)."""
    first, second = recipe.betas
    mean, square, count = gradient * (1 - first), gradient.square() * (1 - second), 1.0
    if state:
        mean, square = mean + first * state["exp_avg"], square + second * state["exp_avg_sq"]
        count += float(state["step"])
    scale = (square / (1 - second**count)).sqrt() + recipe.epsilon
    direction = mean / (1 - first**count) / scale
    direction = direction + recipe.weight_decay * parameter
    step: Tensor = direction * -recipe.learning_rate
    return step
