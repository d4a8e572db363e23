"""Train one task: AdamW, warm-up and cosine, one checkpoint per epoch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from edgecl.errors import ConfigError
from edgecl.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from edgecl.training.schedule import Schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.config import TrainingConfig
    from edgecl.methods import TaskLearner
    from edgecl_runtime.preprocess import Preprocessor

Prepared = Sequence["NDArray[np.generic]"]


@dataclass(frozen=True, slots=True)
class TrainingItems:
    """Prepared items of one task with their targets [N], int64."""

    prepared: Prepared
    targets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where the state of an unfinished task lies, and what it must agree with."""

    path: Path
    identity: str


def task_seed(seed: int, task: str) -> int:
    """Return the seed of one task: the same wherever the task stands in a stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{task}".encode()).digest()[:4], "little")


def choose_device(name: str) -> torch.device:
    """Return the device that a configuration names; `auto` is a GPU where there is one.

    Raises:
        ConfigError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"training.device: {name!r} cannot be used here ({error}). Use auto or cpu"
        ) from error
    return device


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of the forward pass: bfloat16 where asked for, or where a GPU has it."""
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bf16" or (precision == "auto" and has_bf16):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def model_inputs(preprocessor: Preprocessor, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    """Return a batch of prepared items as model inputs on a device."""
    return {name: torch.from_numpy(array).to(device) for name, array in preprocessor.batch(prepared).items()}


def train_task(
    backbone: InjectedBackbone,
    learner: TaskLearner,
    items: TrainingItems,
    *,
    preprocessor: Preprocessor,
    config: TrainingConfig,
    seed: int,
    resumption: Resumption,
    on_epoch: Callable[[Progress, Schedule], None],
) -> Progress:
    """Train a learner to the end of its schedule, from its last checkpoint if there is one.

    The order of batches depends on the seed and the epoch alone, so a run that was killed ends with the tensors of
    one that was not (same machine, same number of threads).

    Args:
        backbone: Frozen encoder; moved to the device.
        learner: What is trained; moved to the device.
        items: Training items.
        preprocessor: Turns prepared items into model inputs.
        config: The recipe, resolved.
        seed: Seed of this task.
        resumption: Where checkpoints go.
        on_epoch: Called after every epoch, and once at the start.

    Raises:
        RunError: A checkpoint lies there that belongs to something else.
    """
    device = choose_device(config.device)
    backbone.to(device)
    module = learner.to(device)  # type: ignore[attr-defined]  # every learner is a module
    schedule = Schedule.plan(len(items.targets), config)
    optimizer = _optimizer(learner, config)
    rates = [group["lr"] for group in optimizer.param_groups]
    progress = load_checkpoint(
        resumption.path, learner=module, optimizer=optimizer, identity=resumption.identity
    )
    on_epoch(progress, schedule)
    for epoch in range(progress.epochs, schedule.epochs):
        started = time.perf_counter()
        loss = 0.0
        order = np.random.default_rng([seed, epoch]).permutation(len(items.targets))
        for index, rows in enumerate(np.array_split(order, schedule.steps_per_epoch)):
            factor = schedule.factor(epoch * schedule.steps_per_epoch + index)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            inputs = model_inputs(preprocessor, [items.prepared[row] for row in rows], device)
            targets = torch.from_numpy(items.targets[rows]).to(device)
            with autocast(config.precision, device):
                scores = learner.head(backbone(inputs, learner.graph_inputs()))
            loss += _step(optimizer, cross_entropy(scores.float(), targets), config) * len(rows)
        seconds = progress.seconds + time.perf_counter() - started
        progress = Progress(epoch + 1, (*progress.losses, loss / len(order)), seconds)
        save_checkpoint(
            resumption.path,
            learner=module,
            optimizer=optimizer,
            progress=progress,
            identity=resumption.identity,
        )
        on_epoch(progress, schedule)
    return progress


def _optimizer(learner: TaskLearner, config: TrainingConfig) -> torch.optim.AdamW:
    groups: list[dict[str, Any]] = [
        {"params": list(learner.module_parameters()), "lr": config.learning_rate},
        {"params": list(learner.head.parameters()), "lr": config.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def _step(optimizer: torch.optim.AdamW, loss: Tensor, config: TrainingConfig) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    torch.nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    optimizer.step()
    return float(loss.detach())
