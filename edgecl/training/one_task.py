"""Learn one task: choose where it starts, train it, measure it as it will be packed, store it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch

from edgecl.errors import ConfigError, RunError
from edgecl.evaluation.floors import floor_predictions
from edgecl.evaluation.scores import Score, is_dominated, predictions_digest
from edgecl.methods import NewTask
from edgecl.modules import FeatureScale
from edgecl.streams.splits import split_by_class
from edgecl.training.checkpoint import read_choice
from edgecl.training.features import features, learner_features, learner_predictions, predictions
from edgecl.training.heldout import choose
from edgecl.training.identity import identity
from edgecl.training.loop import Lesson, Resumption, TrainingItems, choose_device, task_seed, train_lessons
from edgecl.training.memory import peak_bytes, reset_peak
from edgecl.training.records import TaskRecord
from edgecl.training.relations import measure_relations
from edgecl.training.run import PACK_DTYPE, Learned
from edgecl.training.schedule import Schedule
from edgecl.training.signature import store_signature
from edgecl.training.versions import package_versions
from edgecl.training.warm_start import Start, choose_start, earlier_tasks
from edgecl_runtime.durable import make_folder_durably
from edgecl_runtime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.config import RunConfig, TrainingConfig
    from edgecl.methods import Method, Relations
    from edgecl.streams import TaskSpec
    from edgecl.training.checkpoint import Progress
    from edgecl.training.gate import Choice
    from edgecl.training.ready import Ready
    from edgecl.training.session import Session
    from edgecl_runtime.tensors import TaskTensors

PACKED_BYTES = 2
"""Of one number in a pack."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A task that is ready to be trained.

    Attributes:
        bare: Features of its training items without a task, [N, D].
        relations: To earlier tasks, where these may guide it.
        seconds: Wall time of the choice where it starts, of relations and of bare features.
    """

    spec: TaskSpec
    ready: Ready
    start: Start
    lesson: Lesson
    bare: NDArray[np.floating[Any]]
    relations: Relations | None
    seconds: float


def train_one(session: Session, method: Method, spec: TaskSpec, ready: Ready) -> TaskRecord:
    """Learn a task and store it; continues where the same task was stopped.

    Raises:
        RunError: Training diverged, or a checkpoint belongs to something else.
    """
    path = session.run.task_folder(spec.name) / "checkpoint.safetensors"
    its_identity = identity(session.run.record, [ready.data])
    device = choose_device(session.config.training.device)
    reset_peak(device)
    begun = begin(session, method, spec, ready, chosen=read_choice(path, identity=its_identity))
    progress = train_lessons(
        session.backbone.module,
        [begun.lesson],
        preprocessor=session.backbone.preprocessor,
        config=_recipe(session.config, begun.start),
        resumption=Resumption(path, its_identity, begun.start.choice, after=_past(session, method)),
        on_epoch=lambda progress, schedule: session.report.epoch(spec.name, progress, schedule),
        workers=session.workers,
    )
    method.end_task(spec.name, begun.lesson.learner)
    return finish(session, method, begun, progress, peak=peak_bytes(device))


def _past(session: Session, method: Method) -> tuple[str, ...]:
    """Return the tasks whose training the next one goes on from; none where every task is on its own."""
    builds_on_them = method.state() and not session.config.method.alone
    return tuple(session.run.names) if builds_on_them else ()


def begin(
    session: Session, method: Method, spec: TaskSpec, ready: Ready, *, chosen: Choice | None = None
) -> Begun:
    """Return a task with its learner and its items, ready to be trained.

    Items that are held back to choose the epoch decide nothing else. The head sees features centred and scaled by those
    of the bare backbone, or under the parent where there is one.

    Args:
        session: The run with its earlier tasks.
        method: With what it has learned so far.
        spec: The task.
        ready: Its items.
        chosen: What was decided about its start before training was stopped.
    """
    backbone, config = session.backbone, session.config
    if session.workers.is_first:
        make_folder_durably(session.run.task_folder(spec.name))
    session.workers.wait()
    started = time.perf_counter()
    seed = task_seed(config.seed, spec.name)
    bare = features(backbone.module, ready.prepared.train, preprocessor=backbone.preprocessor, task=None)
    rows, held_back = _parts(config.training, spec, ready, seed=seed)
    items = _items(ready, rows)
    start = choose_start(session, items, bare[rows], chosen=chosen)
    relations = session.workers.of_first(measure_relations(session, items, bare[rows], seed=seed))
    random = torch.Generator().manual_seed(seed)
    learner = method.begin_task(
        NewTask(
            name=spec.name,
            backbone=backbone.module,
            classes=len(ready.data.labels),
            scale=FeatureScale.measure(torch.from_numpy(bare[rows])),
            generator=random,
            seed=seed,
            parent=start.modules,
            relations=relations,
            known=len(earlier_tasks(session)),
            steps=Schedule.plan([len(items.targets)], config.training).steps,
        )
    )
    if config.training.head_start == "default":
        learner.head.start_as_a_layer(random)
    elif start.modules is not None:
        first = learner_features(learner, backbone.module, items.prepared, preprocessor=backbone.preprocessor)
        learner.head.rescale(FeatureScale.measure(torch.from_numpy(first)))
    lesson = Lesson(learner, items, seed, _items(ready, held_back) if len(held_back) else None)
    return Begun(spec, ready, start, lesson, bare, relations, time.perf_counter() - started)


def finish(
    session: Session, method: Method, begun: Begun, progress: Progress, *, peak: int | None
) -> TaskRecord:
    """Measure a trained task and store it.

    Raises:
        RunError: Training diverged.
    """
    run, config, ready = session.run, session.config, begun.ready
    targets = ready.data.test.targets
    tensors, rounded = _materialized(session, begun)
    predicted = _predictions(session, begun, rounded)
    score = Score.of(predicted, targets)
    state = {} if config.method.alone else {name: _plain(tensor) for name, tensor in method.state().items()}
    peer = {} if tensors is not None else _peer(begun)
    record = TaskRecord(
        name=begun.spec.name,
        position=len(run.tasks),
        labels=ready.data.labels,
        data=str(begun.spec.data.resolve()),
        data_fingerprint=ready.data.fingerprint,
        train_items=len(ready.data.train),
        test_items=len(ready.data.test),
        accuracy=score.accuracy,
        losses=progress.losses,
        steps=progress.epochs
        * Schedule.plan([len(begun.lesson.items.targets)], config.training).steps_per_epoch,
        seconds=begun.seconds + progress.seconds,
        versions=package_versions("edgecl", "torch", "transformers"),
        balanced_accuracy=score.balanced_accuracy,
        dominated=is_dominated(targets),
        floors=_floors(session, begun) if session.evaluation.floors else {},
        predictions_sha256=predictions_digest(predicted),
        parent=begun.start.choice.parent,
        parent_gains=dict(begun.start.choice.gains),
        parent_evidence=begun.start.choice.evidence,
        guided_by=_guided_by(begun.relations),
        validation=progress.validation,
        size_bytes=rounded.size_bytes
        if rounded
        else PACKED_BYTES * sum(each.numel() for each in peer.values()),
        shared_bytes=sum(tensor.nbytes for tensor in state.values()),
        peak_bytes=peak,
    )
    if session.workers.is_first:
        heldout = choose(
            ready.prepared.test, targets, count=config.training.heldout_items, seed=begun.lesson.seed
        )
        store_signature(run, begun.spec.name, begun.bare)
        run.save_task(record, Learned(tensors, peer, state), heldout)
    session.workers.wait()
    return run.task(record.name)


def _guided_by(relations: Relations | None) -> dict[str, float]:
    """Return the distances that guided a task; none where they could not be relied on."""
    return dict(relations.distances) if relations is not None and relations.reliable else {}


def _recipe(config: RunConfig, start: Start) -> TrainingConfig:
    """Return how a task is trained; modules that start from an earlier task's have a rate of their own."""
    recipe = config.training
    if start.modules is None or recipe.learning_rate is None:
        return recipe
    rate = recipe.learning_rate * config.transfer.learning_rate_factor
    return msgspec.structs.replace(recipe, learning_rate=rate)


def _parts(
    config: TrainingConfig, spec: TaskSpec, ready: Ready, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that are trained on, and those that are held back to choose the epoch."""
    fraction, targets = config.validation_fraction, ready.data.train.targets
    if not fraction:
        return np.arange(len(targets)), np.arange(0)
    labels = [ready.data.labels[target] for target in targets]
    try:
        train, validation = split_by_class(labels, test_fraction=fraction, seed=seed)
    except ValueError as error:
        raise ConfigError(
            f"task {spec.name!r}: {error}. Set training.validation_fraction=0, or give more items"
        ) from error
    return np.array(train), np.array(validation)


def _items(ready: Ready, rows: NDArray[np.int64]) -> TrainingItems:
    return TrainingItems([ready.prepared.train[row] for row in rows], ready.data.train.targets[rows])


def _materialized(session: Session, begun: Begun) -> tuple[TaskTensors | None, TaskTensors | None]:
    """Return the tensors of a task, float32 and as they are packed; None twice for a peer.

    Raises:
        RunError: They are not finite, or do not fit into the type.
    """
    tensors = begun.lesson.learner.materialize()
    if tensors is None:
        return None, None
    try:
        tensors.check(session.backbone.spec.dimensions, len(begun.ready.data.labels))
        return tensors, tensors.rounded(PACK_DTYPE)
    except InputError as error:
        raise _diverged(begun, str(error)) from error


def _diverged(begun: Begun, found: str) -> RunError:
    return RunError(
        f"task {begun.spec.name!r}: training diverged ({found}). Train it into another run with a lower "
        "training.learning_rate or training.head_learning_rate"
    )


def _predictions(session: Session, begun: Begun, rounded: TaskTensors | None) -> NDArray[np.int64]:
    """Return the predicted classes of the test items, by the tensors as they are packed, or by a peer."""
    backbone, prepared = session.backbone, begun.ready.prepared.test
    if rounded is None:
        return learner_predictions(
            begun.lesson.learner, backbone.module, prepared, preprocessor=backbone.preprocessor
        )
    return predictions(backbone.module, prepared, preprocessor=backbone.preprocessor, task=rounded)


def _floors(session: Session, begun: Begun) -> dict[str, Score]:
    """Return what classifiers reach on the bare features of the same items."""
    backbone, data = session.backbone, begun.ready.data
    test = features(backbone.module, begun.ready.prepared.test, preprocessor=backbone.preprocessor, task=None)
    targets = data.test.targets
    predicted = floor_predictions(begun.bare, data.train.targets, test, dominated=is_dominated(targets))
    return {name: Score.of(labels, targets) for name, labels in predicted.items()}


def _peer(begun: Begun) -> dict[str, torch.Tensor]:
    """Return the trained parameters of a peer by name.

    Raises:
        RunError: They are not finite.
    """
    module: torch.nn.Module = begun.lesson.learner  # type: ignore[assignment]  # every learner is a module
    trained = {name: _plain(each) for name, each in module.named_parameters() if each.requires_grad}
    broken = [name for name, each in trained.items() if not each.isfinite().all()]
    if broken:
        raise _diverged(begun, f"{broken[0]} is not finite")
    return trained


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous()
