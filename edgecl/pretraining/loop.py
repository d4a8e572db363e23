"""Train a student: AdamW, warm-up and cosine, an average of the weights, a checkpoint per round of steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from edgecl.backbones.contained import contained
from edgecl.backbones.preprocessing import first_line
from edgecl.errors import RunError
from edgecl.pretraining.average import RunningAverage, is_finite
from edgecl.pretraining.loss import student_loss
from edgecl.pretraining.plan import BatchPlan
from edgecl.pretraining.schedule import Budget, Order, rate_factor
from edgecl.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from edgecl.training.loop import Resumption, autocast

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecl.pretraining.batches import Material
    from edgecl.pretraining.config import PretrainingConfig
    from edgecl.pretraining.student import Outputs, Student
    from edgecl.training.workers import Workers

MOMENTUM = (0.9, 0.98)


@dataclass(frozen=True, slots=True)
class Round:
    """What is reported after a round of steps.

    Attributes:
        step: Steps taken so far.
        done: Part of the training that lies behind.
        loss: Mean over the round.
        learning_rate: Of its last step.
        seconds: Training time so far.
    """

    step: int
    done: float
    loss: float
    learning_rate: float
    seconds: float


class Trainer:
    """One process that trains a student, with all that a checkpoint holds."""

    def __init__(
        self,
        student: Student,
        material: Material,
        order: Order,
        *,
        config: PretrainingConfig,
        resumption: Resumption,
        workers: Workers,
    ) -> None:
        """Go on from the last checkpoint if there is one.

        Args:
            student: What is trained, on its device.
            material: What it is trained on.
            order: Which images each step takes.
            config: The recipe.
            resumption: Where checkpoints go, and what they must agree with.
            workers: The processes that train together.

        Raises:
            RunError: A checkpoint is damaged, or belongs to something else.
        """
        self.student, self._material, self._order = student, material, order
        self._config, self._resumption, self._workers = config, resumption, workers
        self._device = next(student.parameters()).device
        self._average = RunningAverage(student, config.training.average_decay)
        self._trained = nn.ModuleDict({"student": student, "average": self._average.module})
        self._optimizer = _optimizer(student, config)
        self.progress = load_checkpoint(
            resumption.path, learner=self._trained, optimizer=self._optimizer, identity=resumption.identity
        )
        self.step = _steps_taken(self._optimizer)
        self._average.n_averaged.fill_(self.step)
        self._forward: Callable[[Tensor, Tensor | None], Outputs] = student

    @property
    def batch_size(self) -> int:
        """Images per step."""
        return self._order.batch_size

    @property
    def average(self) -> Student:
        """The student with the averaged weights."""
        average: Any = self._average.module
        return average  # type: ignore[no-any-return]  # the copy of a student that nn.Module does not type

    def train(self, on_round: Callable[[Round], None]) -> None:
        """Train until the budget is spent; `on_round` is told after every round.

        Raises:
            RunError: The loss, or a weight, is no number any more; or the student cannot be compiled.
        """
        budget, settings = Budget.plan(self._order, self._config.training), self._config.training
        started = time.perf_counter() - self.progress.seconds
        losses: list[Tensor] = []
        with self._compiling():
            done = budget.done(self.step, self.progress.seconds)
            while done < 1:
                rate = settings.learning_rate * rate_factor(done, settings.warmup_fraction)
                losses.append(self._take_step(rate, done))
                seconds = self._agreed(time.perf_counter() - started)
                done = budget.done(self.step, seconds)
                if self.step % settings.round_steps == 0 or done >= 1:
                    self._close_round(losses, seconds)
                    on_round(Round(self.step, done, self.progress.losses[-1], rate, seconds))
                    self._save()  # after the report: a stop between them reports a round again, and loses none
                    losses = []

    def _take_step(self, rate: float, done: float) -> Tensor:
        """Train on the next batch and return this process' part of its loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        rows = self._order.rows(self.step)
        own = self._workers.share(np.arange(len(rows)))
        loss = torch.zeros((), device=self._device)
        if len(own):
            batch = self._material.batch(self._plan(rows, done), own)
            with autocast(self._config.training.precision, self._device):
                outputs = self._forward(batch.pixels, batch.kept)
            loss = student_loss(outputs, batch.wanted, self._config.loss) * (len(own) / len(rows))
            loss.backward()
        self._workers.sum_gradients(self.student.parameters())
        nn.utils.clip_grad_norm_(self.student.parameters(), self._config.training.clip_norm)
        self._optimizer.step()
        self._average.update_parameters(self.student)
        self.step += 1
        return loss.detach()

    def _plan(self, rows: NDArray[np.int64], done: float) -> BatchPlan:
        student, settings = self._config.student, self._config.training
        patches = student.grid**2
        share = 1.0 if done >= settings.all_patches_from else settings.kept_patches
        return BatchPlan.draw(
            rows,
            config=self._config.augmentation,
            size=student.image_size,
            patches=patches,
            kept=max(1, round(share * patches)),
            random=np.random.default_rng([self._config.seed, self.step, 1]),
        )

    def _close_round(self, losses: list[Tensor], seconds: float) -> None:
        mean = self._workers.sum(float(torch.stack(losses).sum())) / len(losses)
        if not math.isfinite(mean):
            raise diverged(self._resumption.path.parent, f"loss {mean} at step {self.step}")
        if not is_finite(self.average):  # the loss is that before the last step
            raise diverged(self._resumption.path.parent, f"weights that are no numbers at step {self.step}")
        self.progress = Progress(
            epochs=self.progress.epochs + 1, losses=(*self.progress.losses, mean), seconds=seconds
        )

    def _save(self) -> None:
        if self._workers.is_first:
            save_checkpoint(
                self._resumption.path,
                learner=self._trained,
                optimizer=self._optimizer,
                progress=self.progress,
                identity=self._resumption.identity,
            )

    def _agreed(self, seconds: float) -> float:
        """Return the first process' time: by the clock, all must stop at the same step."""
        if self._config.training.minutes is None:
            return seconds
        return self._workers.sum(seconds if self._workers.is_first else 0.0)

    @contextmanager
    def _compiling(self) -> Iterator[None]:
        """Let the compiler, if it is asked for, work inside the folder of the training."""
        if not self._config.training.compile:
            yield
            return
        from torch._dynamo.exc import TorchDynamoException  # after the import that `contained` guards

        folder = self._resumption.path.parent / "compiled"
        folder.mkdir(exist_ok=True)
        try:
            with contained(folder):
                self._forward = torch.compile(self.student)
                yield
        except TorchDynamoException as error:
            raise RunError(
                f"{folder.parent}: the student cannot be compiled ({first_line(error)}). Install a C++ compiler, "
                "or train into another folder with --set training.compile=false"
            ) from error


def diverged(folder: Path, found: str) -> RunError:
    """Return the error of a training whose numbers grew without end."""
    return RunError(
        f"{folder}: training diverged ({found}). "
        "Train into another folder with a lower training.learning_rate"
    )


def _optimizer(student: Student, config: PretrainingConfig) -> torch.optim.AdamW:
    parameters = list(student.parameters())
    groups = [
        {
            "params": [each for each in parameters if each.ndim == 2],
            "weight_decay": config.training.weight_decay,
        },
        {"params": [each for each in parameters if each.ndim != 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.training.learning_rate, betas=MOMENTUM, fused=True)


def _steps_taken(optimizer: torch.optim.AdamW) -> int:
    """Return the steps that an optimiser has taken, which its own state says."""
    return max((int(state["step"]) for state in optimizer.state.values()), default=0)
