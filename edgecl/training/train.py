"""Train the tasks of a stream one after another into a run folder, or one more task into a finished run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import torch

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.config import BackboneConfig, RunConfig, resolve
from edgecl.errors import DataError, RunError
from edgecl.methods import TaskLearner, build_method
from edgecl.modules import FeatureScale
from edgecl.streams import TaskData, TaskSpec, check_items, load_task
from edgecl.training.features import accuracy, features
from edgecl.training.heldout import choose
from edgecl.training.loop import Resumption, TrainingItems, choose_device, task_seed, train_task
from edgecl.training.run import Run, RunRecord, TaskRecord
from edgecl.training.schedule import Schedule
from edgecl_runtime.errors import InputError
from edgecl_runtime.preprocess import ImagePreprocessing, TextPreprocessing

if TYPE_CHECKING:
    from edgecl.streams import PreparedTask
    from edgecl.training.checkpoint import Progress
    from edgecl_runtime.tensors import TaskTensors

PACK_DTYPE = "F16"
KEPT_BYTES = 2**30
_log = logging.getLogger(__name__)


class TrainingReport(Protocol):
    """What a caller is told while tasks are trained."""

    def checking(self, task: str, done: int, total: int) -> None:
        """So many items of a task were read and decoded."""
        ...

    def epoch(self, task: str, progress: Progress, schedule: Schedule) -> None:
        """An epoch ended, or a task started or was taken up again."""
        ...

    def finished(self, record: TaskRecord) -> None:
        """A task was trained, measured and stored."""
        ...


@dataclass(frozen=True, slots=True)
class _Ready:
    """A task whose items were all read and decoded."""

    data: TaskData
    prepared: PreparedTask


def train_stream(
    config: RunConfig, tasks: Sequence[TaskSpec], folder: Path, *, report: TrainingReport
) -> Run:
    """Train the tasks that the run folder does not have yet, in order; all data are checked before training starts.

    The same call continues a run that was stopped, from the last finished epoch.

    Args:
        config: Settings; defaults that depend on the modality are filled in.
        tasks: The stream.
        folder: The run folder; made if absent.
        report: Told about progress.

    Raises:
        DataError: Data that cannot be trained on.
        BackboneError: The backbone cannot be loaded.
        RunError: The folder holds a run with other settings.
    """
    choose_device(config.training.device)
    backbone = _load(config.backbone)
    config = _resolved(config, backbone)
    build_method(config.method, backbone.spec.dimensions)  # an unknown method fails before a folder is made
    record = RunRecord(config, backbone.fingerprint, backbone.spec.modality)
    Run.refuse_other(folder, record)
    missing = _not_finished(folder, tasks)
    checked = _check_all(missing, backbone, config.seed, report)
    run = Run.create(folder, record)
    _train_all(run, backbone, missing, checked, report)
    return run


def add_tasks(
    folder: Path, tasks: Sequence[TaskSpec], *, report: TrainingReport, backbone_source: str | None = None
) -> Run:
    """Train more tasks into a run, with the run's own settings; data of earlier tasks are not needed.

    Args:
        folder: A run folder.
        tasks: What to add; where the command was stopped, it continues: what is finished is kept.
        report: Told about progress.
        backbone_source: Where the backbone lies now, if not where the run was made.

    Raises:
        RunError: No run, a task of this name was trained on other data, or the backbone is another one.
        DataError: Data that cannot be trained on.
    """
    run = Run.open(folder)
    missing = [spec for spec in tasks if not _is_finished(run, spec)]
    backbone = load_run_backbone(run, source=backbone_source)
    checked = _check_all(missing, backbone, run.record.config.seed, report)
    _train_all(run, backbone, missing, checked, report)
    return run


def load_run_backbone(run: Run, *, source: str | None = None) -> Backbone:
    """Load the frozen backbone of a run and make sure that it still is the same.

    Raises:
        BackboneError: It cannot be loaded.
        RunError: Its fingerprint differs from the run's.
    """
    config = run.record.config.backbone
    backbone = _load(msgspec.structs.replace(config, source=source or config.source))
    if backbone.fingerprint != run.record.fingerprint:
        raise RunError(
            f"{backbone.spec.source}: backbone {backbone.fingerprint[:12]}, but {run.folder} was trained on "
            f"{run.record.fingerprint[:12]}. Name the run's own weights with --backbone"
        )
    return backbone


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed versions of packages."""
    return {name: importlib.metadata.version(name) for name in names}


def _load(config: BackboneConfig) -> Backbone:
    return load_backbone(
        config.source, image_size=config.image_size, max_tokens=config.max_tokens, pooling=config.pooling
    )


def _resolved(config: RunConfig, backbone: Backbone) -> RunConfig:
    """Return the configuration with nothing left to later defaults, and a local folder by its full path."""
    spec, source = backbone.spec, config.backbone.source
    preprocessing = spec.preprocessing
    chosen = BackboneConfig(
        source=str(Path(source).resolve()) if Path(source).is_dir() else source,
        image_size=preprocessing.size if isinstance(preprocessing, ImagePreprocessing) else None,
        max_tokens=preprocessing.max_tokens if isinstance(preprocessing, TextPreprocessing) else None,
        pooling=spec.pooling,
    )
    return msgspec.structs.replace(resolve(config, spec.modality), backbone=chosen)


def _not_finished(folder: Path, tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Return what is left to train; a finished task is kept, and where its data are now does not matter."""
    if not (folder / "run.json").exists():
        return list(tasks)
    finished = {record.name: record for record in Run.open(folder).tasks}
    for spec in tasks:
        record = finished.get(spec.name)
        if record is not None and Path(record.data) != spec.data.resolve():
            _log.warning("task %r is finished and kept as trained on %s", spec.name, record.data)
    return [spec for spec in tasks if spec.name not in finished]


def _check_all(
    specs: Sequence[TaskSpec], backbone: Backbone, seed: int, report: TrainingReport
) -> dict[str, _Ready]:
    """Read and decode every item of every task, so that no error waits behind hours of training.

    What was decoded is kept for training as long as it fits into memory.
    """
    kept: dict[str, _Ready] = {}
    size_bytes = 0
    for spec in specs:
        ready = _prepare(spec, backbone, seed, report)
        size_bytes += sum(item.nbytes for item in (*ready.prepared.train, *ready.prepared.test))
        if size_bytes <= KEPT_BYTES:
            kept[spec.name] = ready
    return kept


def _prepare(spec: TaskSpec, backbone: Backbone, seed: int, report: TrainingReport) -> _Ready:
    data = load_task(spec, seed=seed)
    if data.modality != backbone.spec.modality:
        raise DataError.at(
            spec.data,
            found=f"{data.modality}s",
            expected=f"{backbone.spec.modality}s, which {backbone.spec.source} reads",
            fix="Choose a backbone of the other kind with --backbone.",
        )
    prepared = check_items(
        data, backbone.preprocessor, progress=lambda done, total: report.checking(spec.name, done, total)
    )
    return _Ready(data, prepared)


def _is_finished(run: Run, spec: TaskSpec) -> bool:
    """Say whether a run has this very task.

    Raises:
        RunError: It has one of the same name (in a spelling that some file systems do not tell apart) and other data.
    """
    known = {task.name.lower(): task for task in run.tasks}
    record = known.get(spec.name.lower())
    if record is None:
        return False
    if (record.name, Path(record.data)) != (spec.name, spec.data.resolve()):
        raise RunError(
            f"{run.folder}: task {record.name!r} is finished already, on {record.data}. "
            "Choose another name to train it again"
        )
    _log.warning("task %r is finished and kept", spec.name)
    return True


def _train_all(
    run: Run,
    backbone: Backbone,
    specs: Sequence[TaskSpec],
    checked: dict[str, _Ready],
    report: TrainingReport,
) -> None:
    backbone.module.to(choose_device(run.record.config.training.device))
    with run.locked():
        run.tidy()
        for spec in specs:
            if _is_finished(run, spec):  # by another process, while this one read its data
                continue
            ready = checked.pop(spec.name, None) or _prepare(spec, backbone, run.record.config.seed, report)
            report.finished(_train_one(run, backbone, spec, ready, report))


def _train_one(
    run: Run, backbone: Backbone, spec: TaskSpec, ready: _Ready, report: TrainingReport
) -> TaskRecord:
    config, data = run.record.config, ready.data
    seed = task_seed(config.seed, spec.name)
    learner: TaskLearner = build_method(config.method, backbone.spec.dimensions).begin_task(
        classes=len(data.labels),
        scale=_feature_scale(backbone, ready),
        generator=torch.Generator().manual_seed(seed),
    )
    folder = run.task_folder(spec.name)
    folder.mkdir(parents=True, exist_ok=True)
    progress = train_task(
        backbone.module,
        learner,
        TrainingItems(ready.prepared.train, data.train.targets),
        preprocessor=backbone.preprocessor,
        config=config.training,
        seed=seed,
        resumption=Resumption(folder / "checkpoint.safetensors", _identity(run, spec, data)),
        on_epoch=lambda progress, schedule: report.epoch(spec.name, progress, schedule),
    )
    tensors = learner.materialize()
    try:
        tensors.check(backbone.spec.dimensions, len(data.labels))
        rounded = tensors.rounded(PACK_DTYPE)
    except InputError as error:
        raise RunError(
            f"task {spec.name!r}: training diverged ({error}). Train it into another run with a lower "
            "training.learning_rate"
        ) from error
    record = _measure(run, backbone, spec, ready, progress=progress, rounded=rounded)
    heldout = choose(ready.prepared.test, data.test.targets, count=config.training.heldout_items, seed=seed)
    run.save_task(record, tensors, heldout)
    return record


def _feature_scale(backbone: Backbone, ready: _Ready) -> FeatureScale:
    bare = features(backbone.module, ready.prepared.train, preprocessor=backbone.preprocessor, task=None)
    return FeatureScale.measure(torch.from_numpy(bare))


def _measure(
    run: Run, backbone: Backbone, spec: TaskSpec, ready: _Ready, *, progress: Progress, rounded: TaskTensors
) -> TaskRecord:
    data = ready.data
    return TaskRecord(
        name=spec.name,
        position=len(run.tasks),
        labels=data.labels,
        data=str(spec.data.resolve()),
        data_fingerprint=data.fingerprint,
        train_items=len(data.train),
        test_items=len(data.test),
        accuracy=accuracy(
            backbone.module,
            ready.prepared.test,
            data.test.targets,
            preprocessor=backbone.preprocessor,
            task=rounded,
        ),
        losses=progress.losses,
        steps=Schedule.plan(len(data.train), run.record.config.training).steps,
        seconds=progress.seconds,
        versions=package_versions("edgecl", "torch", "transformers"),
    )


def _identity(run: Run, spec: TaskSpec, data: TaskData) -> str:
    parts = [msgspec.json.encode(run.record).decode(), spec.name, data.fingerprint, *data.labels]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
