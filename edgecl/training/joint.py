"""Learn all tasks of a stream at once: what learning them one after another is held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecl.errors import ConfigError
from edgecl.methods import build_method
from edgecl.training.identity import identity
from edgecl.training.loop import Resumption, choose_device, train_lessons
from edgecl.training.memory import peak_bytes, reset_peak
from edgecl.training.one_task import begin, finish
from edgecl.training.ready import Ready, prepare

if TYPE_CHECKING:
    from pathlib import Path

    from edgecl.streams import TaskSpec
    from edgecl.training.session import Session

ALL_TASKS = "all tasks"


def train_jointly(session: Session, specs: Sequence[TaskSpec], checked: dict[str, Ready]) -> None:
    """Train tasks with their batches mixed, then measure and store each; their time is shared out evenly.

    Args:
        session: Of a run that is trained jointly.
        specs: All tasks of the stream, finished or not: a run that was stopped is continued with all of them;
            empty if all are finished.
        checked: Decoded items by task.

    Raises:
        ConfigError: The run was trained on fewer tasks.
    """
    checkpoint = session.run.folder / "checkpoint.safetensors"
    if specs:
        if session.run.names and not checkpoint.exists():
            raise ConfigError(
                f"{session.run.folder}: was trained on all its tasks at once, so none can be added"
            )
        session.workers.wait()
        _train(session, specs, checked, checkpoint)
    if session.workers.is_first:
        checkpoint.unlink(missing_ok=True)


def _train(session: Session, specs: Sequence[TaskSpec], checked: dict[str, Ready], checkpoint: Path) -> None:
    # Not the session's: all that is learned is in the checkpoint, for finished tasks too.
    method = build_method(session.config, session.backbone.spec.dimensions)
    ready = [
        checked.get(spec.name)
        or prepare(spec, session.backbone, seed=session.config.seed, on_items=session.report.checking)
        for spec in specs
    ]
    device = choose_device(session.config.training.device)
    reset_peak(device)
    begun = [begin(session, method, *each) for each in zip(specs, ready, strict=True)]
    progress = train_lessons(
        session.backbone.module,
        [each.lesson for each in begun],
        preprocessor=session.backbone.preprocessor,
        config=session.config.training,
        resumption=Resumption(checkpoint, identity(session.run.record, [each.data for each in ready])),
        on_epoch=lambda progress, schedule: session.report.epoch(ALL_TASKS, progress, schedule),
        workers=session.workers,
    )
    # A process that comes late would take tasks for finished, and not wait for the others.
    finished = session.workers.of_first(session.run.names)
    for each in begun:
        method.end_task(each.spec.name, each.lesson.learner)
        if each.spec.name not in finished:
            share = dataclasses.replace(progress, seconds=progress.seconds / len(begun))
            session.report.finished(finish(session, method, each, share, peak=peak_bytes(device)))
