"""Train the tasks of a stream into a run folder, or one more task into a finished run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.config import BackboneConfig, MethodConfig, RunConfig, filled_in, resolve
from edgecl.errors import ConfigError, RunError
from edgecl.methods import Method, build_method
from edgecl.streams.examples import normal_label
from edgecl.training.joint import train_jointly
from edgecl.training.loop import choose_device, device_here
from edgecl.training.one_task import train_one
from edgecl.training.ready import Ready, check_all, prepare
from edgecl.training.records import RunRecord, TaskRecord
from edgecl.training.revisit import Revisit
from edgecl.training.run import Run
from edgecl.training.session import Session
from edgecl.training.workers import Workers
from edgecl_runtime.preprocess import ImagePreprocessing, TextPreprocessing

if TYPE_CHECKING:
    from edgecl.streams import TaskSpec
    from edgecl.training.checkpoint import Progress
    from edgecl.training.schedule import Schedule

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

    def testing(self, after: str, done: int, total: int) -> None:
        """So many of the tasks that are tested again after a task were tested."""
        ...


def train_stream(
    config: RunConfig, tasks: Sequence[TaskSpec], folder: Path, *, report: TrainingReport
) -> Run:
    """Train the tasks that the run folder does not have yet, in order; all data are checked before training starts.

    The same call continues a run that was stopped, from the last finished epoch. Launched as several processes by
    `accelerate launch` or `torchrun`, these train together.

    Args:
        config: Settings; defaults that depend on the modality are filled in.
        tasks: The stream.
        folder: The run folder; made if absent.
        report: Told about progress.

    Raises:
        DataError: Data that cannot be trained on.
        BackboneError: The backbone cannot be loaded.
        RunError: The folder holds a run with other settings, or its finished tasks are of another order or of more
            items.
    """
    choose_device(config.training.device)
    backbone = _load(config.backbone)
    config = _resolved(_as_begun(config, folder), backbone)
    use_prefixes(backbone, config.method)
    build_method(config, backbone.spec.dimensions)  # an unknown method fails before a folder is made
    record = RunRecord(config, backbone.fingerprint, backbone.spec.modality)
    Run.refuse_other(folder, record)
    missing = _not_finished(folder, tasks)
    if config.method.jointly and missing:
        missing = list(tasks)
    checked = check_all(missing, backbone, seed=config.seed, on_items=report.checking)
    workers = Workers.of_environment()
    if workers.is_first:
        Run.create(folder, record)
    workers.wait()
    session = Session(
        Run.open(folder),
        backbone,
        report,
        workers,
        evaluation=config.evaluation,
        device=config.training.device,
    )
    revisit = Revisit(session, tasks)
    with _training(session):
        if not config.method.jointly:
            _train_in_order(session, missing, checked, revisit)
        else:
            train_jointly(session, missing, checked)
            revisit.catch_up(is_last=True)
    return session.run


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
        ConfigError: The run was trained on all its tasks at once.
    """
    run = Run.open(folder)
    if run.record.config.method.jointly:
        raise ConfigError(f"{folder}: was trained on all its tasks at once, so none can be added")
    missing = [spec for spec in tasks if not is_finished(run, spec)]
    backbone = load_run_backbone(run, source=backbone_source)
    checked = check_all(missing, backbone, seed=run.record.config.seed, on_items=report.checking)
    device = device_here(run.record.config.training.device)
    session = Session(run, backbone, report, Workers.of_environment(), device=device)
    with _training(session):
        _train_in_order(session, missing, checked, revisit=None)
    return run


def load_run_backbone(run: Run, *, source: str | None = None) -> Backbone:
    """Load the frozen backbone of a run and make sure that it still is the same.

    Raises:
        BackboneError: It cannot be loaded.
        RunError: Its fingerprint differs from the run's.
    """
    config = run.record.config.backbone
    backbone = _load(msgspec.structs.replace(config, source=source or config.source))
    use_prefixes(backbone, run.record.config.method)
    if backbone.fingerprint != run.record.fingerprint:
        raise RunError(
            f"{backbone.spec.source}: backbone {backbone.fingerprint[:12]}, but {run.folder} was trained on "
            f"{run.record.fingerprint[:12]}. Name the run's own weights with --backbone"
        )
    return backbone


def is_finished(run: Run, spec: TaskSpec) -> bool:
    """Say whether a run has this very task.

    Raises:
        RunError: It has one of the same name (in a spelling that some file systems do not tell apart) and other data.
    """
    known = {task.name.lower(): task for task in run.tasks}
    record = known.get(spec.name.lower())
    if record is None:
        return False
    if (record.name, Path(record.data)) != (spec.name, spec.data.resolve()):
        raise _taken(run.folder, record)
    _log.warning("task %r is finished and kept", spec.name)
    return True


def _taken(folder: Path, record: TaskRecord) -> RunError:
    """Return the error that a finished task has the name of another one that is asked for."""
    return RunError(
        f"{folder}: task {record.name!r} is finished already, on {record.data}. "
        "Choose another name to train it again"
    )


@contextmanager
def _training(session: Session) -> Iterator[None]:
    """Hold the run for writing, by the first process for all of them."""
    session.backbone.module.to(choose_device(session.config.training.device))
    if not session.workers.is_first:
        yield
        return
    with session.run.locked():
        session.run.tidy()
        yield


def _train_in_order(
    session: Session, specs: Sequence[TaskSpec], checked: dict[str, Ready], revisit: Revisit | None
) -> None:
    if revisit is not None:
        revisit.catch_up(is_last=not specs)
    for place, spec in enumerate(specs):
        if is_finished(session.run, spec):  # by another process, while this one read its data
            continue
        ready = checked.pop(spec.name, None) or prepare(
            spec, session.backbone, seed=session.config.seed, on_items=session.report.checking
        )
        method = session.method()
        _warn_of_stopped(session, method, spec)
        session.report.finished(train_one(session, method, spec, ready))
        if revisit is not None:
            revisit.keep(spec.name, ready)
            revisit.after(spec.name, method, is_last=place == len(specs) - 1)


def _warn_of_stopped(session: Session, method: Method, spec: TaskSpec) -> None:
    """Say which tasks were stopped and cannot go on after another one, because they build on those before them."""
    if not method.state() or session.config.method.alone:
        return
    for checkpoint in sorted((session.run.folder / "tasks").glob("*/checkpoint.safetensors")):
        name = checkpoint.parent.name
        if name != spec.name:
            _log.warning(
                "task %r was stopped and builds on the tasks before it: after %r it has to begin again",
                name,
                spec.name,
            )


def use_prefixes(backbone: Backbone, method: MethodConfig) -> None:
    """Let prefixes act, and be trained, as a method's resolved settings say."""
    backbone.module.use_attention(method.attention, first_is_fixed=method.first_prefix == "fixed")


def _load(config: BackboneConfig) -> Backbone:
    return load_backbone(
        config.source, image_size=config.image_size, max_tokens=config.max_tokens, pooling=config.pooling
    )


def _as_begun(config: RunConfig, folder: Path) -> RunConfig:
    """Return the configuration with what the run that it continues does where it names nothing."""
    if not (folder / "run.json").exists():
        return config
    return filled_in(config, Run.open(folder).record.config)


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
    """Return what is left to train; a finished task is kept, and where its data are now does not matter.

    Raises:
        RunError: Tasks were finished in another order, of other classes, with more items than are asked for, or under
            a name that some file systems do not tell apart from one that is asked for.
    """
    if not (folder / "run.json").exists():
        return list(tasks)
    finished = {record.name: record for record in Run.open(folder).tasks}
    known = {record.name.lower(): record for record in finished.values()}
    kept = [spec for spec in tasks if spec.name in finished]
    for spec in tasks:
        if spec.name not in finished and spec.name.lower() in known:
            raise _taken(folder, known[spec.name.lower()])
    _require_order(folder, [spec.name for spec in tasks], list(finished))
    for spec in kept:
        record = finished[spec.name]
        _require_classes(folder, spec, record)
        _require_items(folder, spec, record)
        if Path(record.data) != spec.data.resolve():
            _log.warning("task %r is finished and kept as trained on %s", spec.name, record.data)
    return [spec for spec in tasks if spec.name not in finished]


def _require_order(folder: Path, asked: list[str], finished: list[str]) -> None:
    """Refuse finished tasks that are not the first ones of the stream: what is missing is learned after them."""
    in_run = [name for name in finished if name in asked]
    if in_run != asked[: len(in_run)]:
        raise RunError.at(
            folder,
            found=f"tasks that were learned in the order {', '.join(in_run)}",
            expected=f"{', '.join(asked)}, as the stream has them now",
            fix="Put new tasks last, or choose another folder with --out for another order.",
        )


def _require_classes(folder: Path, spec: TaskSpec, record: TaskRecord) -> None:
    if spec.classes is not None and sorted(map(normal_label, spec.classes)) != sorted(record.labels):
        raise RunError.at(
            f"{folder}, task {spec.name!r}",
            found=f"the classes {', '.join(record.labels)}",
            expected=f"{', '.join(spec.classes)}, as the stream has them now",
            fix="Choose another name for the task, or another folder with --out.",
        )


def _require_items(folder: Path, spec: TaskSpec, record: TaskRecord) -> None:
    """Refuse a finished task of more items than are asked for; of fewer it may be because there are no more."""
    per_class = spec.train_items_per_class
    to_train_on = spec.train_items if per_class is None else per_class * len(record.labels)
    parts = {
        "training": (record.train_items, to_train_on),
        "test": (record.test_items, spec.test_items),
    }
    for part, (number, most) in parts.items():
        if most is not None and number > most:
            raise RunError.at(
                f"{folder}, task {spec.name!r}",
                found=f"{number} {part} items",
                expected=f"{most} at most, as the stream asks for now",
                fix="Choose another folder with --out for another number of items.",
            )
    if to_train_on is not None and record.train_items < to_train_on:
        _log.warning(
            "task %r is finished and kept as trained on %d items, fewer than the %d that are asked for",
            spec.name,
            record.train_items,
            to_train_on,
        )
