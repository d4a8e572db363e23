"""Train one task, or several at once: AdamW, warm-up and cosine, one checkpoint per epoch."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from edgecl.errors import ConfigError, RunError
from edgecl.evaluation.scores import Score, is_dominated
from edgecl.training.checkpoint import Best, Progress, load_checkpoint, save_checkpoint
from edgecl.training.schedule import Schedule
from edgecl.training.workers import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.backbones.injection import InjectedBackbone
    from edgecl.config import TrainingConfig
    from edgecl.methods import TaskLearner
    from edgecl.training.gate import Choice
    from edgecl_runtime.preprocess import Preprocessor

Prepared = Sequence["NDArray[np.generic]"]

_log = logging.getLogger(__name__)

VALIDATION_BATCH = 64


@dataclass(frozen=True, slots=True)
class TrainingItems:
    """Prepared items of one task with their targets [N], int64."""

    prepared: Prepared
    targets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One task to be learned.

    Attributes:
        learner: What is trained.
        items: Training items.
        seed: Of the order of its batches and of what its learner draws.
        validation: Items that choose the best epoch; None: the last one is kept.
    """

    learner: TaskLearner
    items: TrainingItems
    seed: int
    validation: TrainingItems | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where the state of an unfinished task lies, and what it must agree with.

    Attributes:
        path: The checkpoint.
        identity: Of settings, backbone and data.
        choice: What was decided about the start.
        after: Earlier tasks whose training it goes on from.
    """

    path: Path
    identity: str
    choice: Choice | None = None
    after: tuple[str, ...] = ()


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


def device_here(name: str) -> str:
    """Return the device that a run was made on if there is one here, or else `auto`, and say so."""
    try:
        choose_device(name)
    except ConfigError as error:
        _log.warning("%s; the run goes on with auto", str(error).partition(". ")[0])
        return "auto"
    return name


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of the forward pass: bfloat16 where asked for, or where a GPU has it."""
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bf16" or (precision == "auto" and has_bf16):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def model_inputs(preprocessor: Preprocessor, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    """Return a batch of prepared items as model inputs on a device."""
    return {name: torch.from_numpy(array).to(device) for name, array in preprocessor.batch(prepared).items()}


def train_lessons(
    backbone: InjectedBackbone,
    lessons: Sequence[Lesson],
    *,
    preprocessor: Preprocessor,
    config: TrainingConfig,
    resumption: Resumption,
    on_epoch: Callable[[Progress, Schedule], None],
    workers: Workers,
) -> Progress:
    """Train one task, or several at once with their batches mixed, from the last checkpoint if there is one.

    The order of batches depends on seeds and epoch alone, so a run that was killed ends with the tensors of one
    that was not (same machine, same number of threads).

    Args:
        backbone: Frozen encoder; moved to the device.
        lessons: What is learned; learners are moved to the device.
        preprocessor: Turns prepared items into model inputs.
        config: The recipe, resolved.
        resumption: Where checkpoints go.
        on_epoch: Called after every epoch, and once at the start.
        workers: The processes that train together.

    Raises:
        RunError: Training diverged, or a checkpoint lies there that belongs to something else.
    """
    device = choose_device(config.device)
    backbone.to(device)
    module = _module(lessons).to(device)
    schedule = Schedule.plan([len(lesson.items.targets) for lesson in lessons], config)
    optimizer = _optimizer(lessons, config)
    rates = [group["lr"] for group in optimizer.param_groups]
    best = Best.start(module)
    progress = load_checkpoint(
        resumption.path,
        learner=module,
        optimizer=optimizer,
        identity=resumption.identity,
        best=best,
        after=resumption.after,
    )
    _require_finite(progress, resumption.path)
    on_epoch(progress, schedule)
    while not _is_over(progress, schedule, config):
        started = time.perf_counter()
        loss = 0.0
        first_step = progress.epochs * schedule.steps_per_epoch
        for step, (lesson, rows) in enumerate(_batches(lessons, progress.epochs, config), start=first_step):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.factor(step)
            shared = workers.share(rows)
            batch = Batch(backbone, lesson, shared, preprocessor, len(rows), step)
            loss += training_step(batch, optimizer, config, workers=workers) * len(rows)
        items = sum(len(lesson.items.targets) for lesson in lessons)
        progress = Progress(
            epochs=progress.epochs + 1,
            losses=(*progress.losses, workers.sum(loss) / items),
            seconds=progress.seconds + time.perf_counter() - started,
            validation=(
                *progress.validation,
                *workers.of_first(_validate(backbone, lessons, preprocessor, config)),
            ),
        )
        _require_finite(progress, resumption.path)
        best.keep_if_better(progress.validation)
        if workers.is_first:
            save_checkpoint(
                resumption.path,
                learner=module,
                optimizer=optimizer,
                progress=progress,
                identity=resumption.identity,
                best=best,
                choice=resumption.choice,
                after=resumption.after,
            )
        on_epoch(progress, schedule)
    best.restore()
    return progress


@dataclass(frozen=True, slots=True)
class Batch:
    """This process' rows of a batch of one lesson at a step; `total` counts the rows of all processes."""

    backbone: InjectedBackbone
    lesson: Lesson
    rows: NDArray[np.int64]
    preprocessor: Preprocessor
    total: int
    step: int

    def loss(self, config: TrainingConfig) -> Tensor:
        """Return the sum of the rows' losses over the number of rows of all processes, differentiable."""
        items, learner = self.lesson.items, self.lesson.learner
        device = learner.head.weight.device
        inputs = model_inputs(self.preprocessor, [items.prepared[row] for row in self.rows], device)
        targets = torch.from_numpy(items.targets[self.rows]).to(device)
        with autocast(config.precision, device):
            scores = learner.head(learner.features(self.backbone, inputs, step=self.step)).float()
        if config.double_softmax:
            scores = scores.softmax(dim=-1)
        return cross_entropy(scores, targets) * (len(self.rows) / self.total)


def _module(lessons: Sequence[Lesson]) -> nn.Module:
    """Return the module whose parameters are trained."""
    modules: list[nn.Module] = [lesson.learner for lesson in lessons]  # type: ignore[misc]  # every learner is one
    return modules[0] if len(modules) == 1 else nn.ModuleList(modules)


def _batches(
    lessons: Sequence[Lesson], epoch: int, config: TrainingConfig
) -> Iterator[tuple[Lesson, NDArray[np.int64]]]:
    """Yield the rows of each step of an epoch; batches of several lessons come in random order."""
    batches = []
    for lesson in lessons:
        order = np.random.default_rng([lesson.seed, epoch]).permutation(len(lesson.items.targets))
        count = math.ceil(len(order) / config.batch_size)
        batches += [(lesson, rows) for rows in np.array_split(order, count)]
    order = np.arange(len(batches))
    if len(lessons) > 1:
        order = np.random.default_rng([lessons[0].seed, epoch, 1]).permutation(order)
    return (batches[place] for place in order)


def _optimizer(lessons: Sequence[Lesson], config: TrainingConfig) -> torch.optim.AdamW:
    """Return the optimiser of lessons, the parameters in their order: checkpoints store its state by place.

    Weight decay is of what belongs to a task: what generates other tasks as well would drift by it.
    """
    modules = _unique(parameter for lesson in lessons for parameter in lesson.learner.module_parameters())
    heads = _unique(parameter for lesson in lessons for parameter in lesson.learner.head.parameters())
    undecayed = {parameter for lesson in lessons for parameter in lesson.learner.undecayed_parameters()}
    groups: list[dict[str, Any]] = [
        {
            "params": list(some),
            "lr": config.learning_rate,
            "weight_decay": 0 if is_left_alone else config.weight_decay,
        }
        for is_left_alone, some in groupby(modules, key=undecayed.__contains__)
    ]
    heads_group = {"params": heads, "lr": config.head_learning_rate, "weight_decay": config.weight_decay}
    return torch.optim.AdamW([*groups, heads_group])


def _unique(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return list(dict.fromkeys(parameter for parameter in parameters if parameter.requires_grad))


def training_step(
    batch: Batch, optimizer: torch.optim.AdamW, config: TrainingConfig, *, workers: Workers
) -> float:
    """Take a step and return this process' part of the loss of the task."""
    optimizer.zero_grad(set_to_none=True)
    loss = 0.0
    if len(batch.rows):
        task_loss = batch.loss(config)
        task_loss.backward()
        loss = float(task_loss.detach())
    learner = batch.lesson.learner
    parameters = _unique([*learner.module_parameters(), *learner.head.parameters()])
    workers.sum_gradients(parameters)
    penalty = learner.penalty(optimizer, batch.step)
    if penalty is not None:
        penalty.backward()
    torch.nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    optimizer.step()
    return loss


def _validate(
    backbone: InjectedBackbone, lessons: Sequence[Lesson], preprocessor: Preprocessor, config: TrainingConfig
) -> tuple[float, ...]:
    """Return the mean score of the lessons that have validation items, percent, or nothing if none has."""
    scores = [
        _score(backbone, lesson.learner, lesson.validation, preprocessor, config)
        for lesson in lessons
        if lesson.validation is not None
    ]
    return (float(np.mean(scores)),) if scores else ()


def _score(
    backbone: InjectedBackbone,
    learner: TaskLearner,
    items: TrainingItems,
    preprocessor: Preprocessor,
    config: TrainingConfig,
) -> float:
    """Return the accuracy on held-back items, percent; balanced where one class dominates them, as in the report."""
    predicted, device = [], learner.head.weight.device
    for start in range(0, len(items.targets), VALIDATION_BATCH):
        rows = slice(start, start + VALIDATION_BATCH)
        inputs = model_inputs(preprocessor, items.prepared[rows], device)
        with torch.no_grad(), autocast(config.precision, device):
            scores = learner.head(learner.features(backbone, inputs))
        predicted.append(scores.argmax(dim=1).cpu().numpy())
    score = Score.of(np.concatenate(predicted), items.targets)
    return score.to_look_at(dominated=is_dominated(items.targets))


def _require_finite(progress: Progress, path: Path) -> None:
    """Do nothing if the loss of the last epoch is a number; being a sum, it is the same for all processes.

    Raises:
        RunError: It is none.
    """
    if progress.losses and not math.isfinite(progress.losses[-1]):
        raise RunError(
            f"{path.parent}: training diverged in epoch {progress.epochs} (mean loss {progress.losses[-1]}). "
            "Train into another run with a lower training.learning_rate or training.head_learning_rate"
        )


def _is_over(progress: Progress, schedule: Schedule, config: TrainingConfig) -> bool:
    """Say whether all epochs are done, or as many without a better one on the validation items as are borne."""
    if progress.epochs >= schedule.epochs:
        return True
    if config.patience is None or not progress.validation:
        return False
    since_best = progress.epochs - 1 - int(np.argmax(progress.validation))
    return since_best >= config.patience
