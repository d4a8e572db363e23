"""The folder of a run: its settings, its tasks, what they learned.

RUN/run.json                         settings, backbone, fingerprint
RUN/metrics.json                     accuracy of every finished task
RUN/tasks/NAME/task.json             labels, data fingerprint, accuracy; there once the task is finished
RUN/tasks/NAME/tensors.safetensors   the eight task tensors, float32
RUN/tasks/NAME/heldout.safetensors   test items for the parity gate of later exports
RUN/tasks/NAME/method.safetensors    what later tasks build on, in the folder of the last finished task only
RUN/tasks/NAME/peer.safetensors      instead of tensors: parameters of a peer that is measured and never shipped
RUN/tasks/NAME/after.json            accuracy of every task so far, measured after this one
RUN/tasks/NAME/checkpoint.safetensors   only while the task is being trained
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from safetensors.torch import load_file as load_state
from safetensors.torch import save as save_state

from edgecl.config import TABLES, RunConfig
from edgecl.errors import RunError
from edgecl.evaluation.scores import Score
from edgecl.training.gate import Gain
from edgecl.training.heldout import HeldOut
from edgecl_runtime.durable import write_durably
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

FORMAT_VERSION = 1
PACK_DTYPE = "F16"
"""Type of the tensors in a pack: a task is measured as it is rounded to it."""

Record = TypeVar("Record", bound=msgspec.Struct)


class RunRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`run.json`.

    Attributes:
        config: Resolved settings of the run.
        fingerprint: Of the frozen backbone.
        modality: `image` or `text`.
        format_version: Of the folder.
    """

    config: RunConfig
    fingerprint: str
    modality: str
    format_version: int = FORMAT_VERSION


class TaskRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`task.json` of a finished task.

    Attributes:
        name: The task.
        position: Its place in the order of training, from 0.
        labels: Class names in the order of the head's rows.
        data: Where its data were.
        data_fingerprint: sha256 of the items that were used.
        train_items: Number of training items.
        test_items: Number of test items.
        accuracy: On the test items with the tensors rounded to the pack's type, percent.
        losses: Mean training loss of each epoch, nats.
        steps: Optimisation steps.
        seconds: Wall time of training.
        versions: Of the packages that trained it.
        balanced_accuracy: Mean over classes, percent.
        dominated: Whether one class holds most of the test items, so that balanced accuracy is the one to look at.
        floors: What classifiers on frozen features reach on the same items; empty if they were not measured.
        predictions_sha256: Of the predicted classes of the test items.
        parent: Earlier task whose modules it started from.
        parent_gains: What each candidate for that gained over a fresh start, in points of its chooser, with the error.
        validation: Accuracy on the items that were held back to choose the epoch, after each epoch, percent.
        size_bytes: Of the task's tensors as they are packed; of a peer, its parameters in the same type.
        shared_bytes: Of what all tasks share on the workstation, after this task.
        peak_bytes: Most memory while it was trained; None where the system does not say.
    """

    name: str
    position: int
    labels: tuple[str, ...]
    data: str
    data_fingerprint: str
    train_items: int
    test_items: int
    accuracy: float
    losses: tuple[float, ...]
    steps: int
    seconds: float
    versions: dict[str, str]
    balanced_accuracy: float | None = None
    dominated: bool = False
    floors: dict[str, Score] = {}
    predictions_sha256: str | None = None
    parent: str | None = None
    parent_gains: dict[str, Gain] = {}
    validation: tuple[float, ...] = ()
    size_bytes: int | None = None
    shared_bytes: int = 0
    peak_bytes: int | None = None

    @property
    def score(self) -> float:
        """The accuracy to look at, percent: balanced where one class dominates."""
        if self.dominated and self.balanced_accuracy is not None:
            return self.balanced_accuracy
        return self.accuracy

    @property
    def best_floor(self) -> float | None:
        """The best floor in the same measure, percent; None if floors were not measured."""
        measures = [
            floor.balanced_accuracy if self.dominated else floor.accuracy for floor in self.floors.values()
        ]
        return max(measures, default=None)


class AfterTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after.json`: every task so far, tested again after a task.

    Attributes:
        now: Accuracy with what the method would ship for each task now.
        shipped_unchanged: Whether the stored tensors of each task still predict what they did.
        drift: Relative change of what would be shipped now, against what was: Frobenius norm over all modules.
        class_incremental: Accuracy on the test items of each task when nobody says which task they are of, percent:
            task and class must both be right; empty if it was not measured.
    """

    now: dict[str, Score]
    shipped_unchanged: dict[str, bool]
    drift: dict[str, float]
    class_incremental: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Learned:
    """What is stored of a task besides its record.

    Attributes:
        tensors: The task's tensors, float32; None for a peer.
        peer: Parameters of a peer by name.
        state: What later tasks build on.
    """

    tensors: TaskTensors | None
    peer: dict[str, Tensor]
    state: dict[str, Tensor]


class Run:
    """A run folder that exists."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder, self.record = folder, record

    @classmethod
    def create(cls, folder: Path, record: RunRecord) -> Run:
        """Make a run folder, or open one that was made with the same settings.

        Raises:
            RunError: The folder holds a run with other settings, or something that is not a run.
        """
        cls.refuse_other(folder, record)
        if not (folder / "run.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_durably(folder / "run.json", _pretty(record))
        return cls.open(folder)

    @classmethod
    def refuse_other(cls, folder: Path, record: RunRecord) -> None:
        """Do nothing if a run with these settings can be made or continued in a folder.

        Raises:
            RunError: It holds a run with other settings, or something that is not a run.
        """
        if (folder / "run.json").exists():
            _require_same(cls.open(folder).record, record, folder)
        elif folder.is_file():
            raise RunError(f"{folder}: is a file. Choose a folder with --out")
        elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise RunError(f"{folder}: is not empty and not a run. Choose another folder with --out")

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a run folder.

        Raises:
            RunError: It is not there, damaged, or of a newer version of edgecl.
        """
        path = folder / "run.json"
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise RunError(
                f"{folder}: not a run, run.json cannot be read ({error.strerror}). Make one: edgecl train"
            ) from error
        _refuse_newer(raw, path)
        return cls(folder, _decode(raw, RunRecord, path))

    @property
    def tasks(self) -> tuple[TaskRecord, ...]:
        """Finished tasks in the order of training.

        Raises:
            RunError: A record is damaged.
        """
        paths = sorted((self.folder / "tasks").glob("*/task.json"))
        records = [_decode(path.read_bytes(), TaskRecord, path) for path in paths]
        return tuple(sorted(records, key=lambda record: record.position))

    @property
    def names(self) -> tuple[str, ...]:
        """The finished tasks in the order of training."""
        return tuple(record.name for record in self.tasks)

    def task(self, name: str) -> TaskRecord:
        """Return the record of a finished task.

        Raises:
            RunError: There is none of this name.
        """
        known = {record.name: record for record in self.tasks}
        if name not in known:
            raise RunError(
                f"{self.folder}: no finished task {name!r}; there are: {', '.join(known) or 'none'}"
            )
        return known[name]

    def task_folder(self, name: str) -> Path:
        """Return the folder of a task, finished or not."""
        return self.folder / "tasks" / name

    def has_tensors(self, name: str) -> bool:
        """Say whether a task ended in tensors that can be packed; a peer's did not."""
        return (self.task_folder(name) / "tensors.safetensors").exists()

    def tensors(self, name: str) -> TaskTensors:
        """Return what a task learned, float32.

        Raises:
            RunError: The file is missing or damaged.
        """
        path = self.task_folder(name) / "tensors.safetensors"
        try:
            stored = load_file(path)
            return TaskTensors(**{field.name: stored[field.name] for field in fields(TaskTensors)})
        except (OSError, SafetensorError, KeyError) as error:
            raise RunError(
                f"{path}: the task's tensors cannot be read ({error}). Restore the run folder"
            ) from error

    def heldout(self, name: str) -> HeldOut:
        """Return the held-out sample of a task.

        Raises:
            RunError: The file is missing or damaged.
        """
        return HeldOut.load(self.task_folder(name) / "heldout.safetensors")

    def method_state(self) -> dict[str, Tensor]:
        """Return what the method of the run had after its last finished task; empty if it keeps nothing.

        Raises:
            RunError: The file is damaged.
        """
        tasks = self.tasks
        path = self.task_folder(tasks[-1].name) / "method.safetensors" if tasks else None
        if path is None or not path.exists():
            return {}
        try:
            return dict(load_state(path))
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"{path}: what later tasks build on cannot be read ({error}). Restore the run folder"
            ) from error

    def after(self, name: str) -> AfterTask | None:
        """Return how every task did after a task; None if that was not measured.

        Raises:
            RunError: The file is damaged.
        """
        path = self.task_folder(name) / "after.json"
        return _decode(path.read_bytes(), AfterTask, path) if path.exists() else None

    def save_task(self, record: TaskRecord, learned: Learned, heldout: HeldOut) -> None:
        """Store a finished task; the record is written last, so that a task is finished or not there."""
        folder = self.task_folder(record.name)
        if learned.tensors is not None:
            write_durably(folder / "tensors.safetensors", save(dict(learned.tensors.items())))
        if learned.peer:
            write_durably(folder / "peer.safetensors", save_state(learned.peer))
        if learned.state:
            write_durably(folder / "method.safetensors", save_state(learned.state))
        heldout.save(folder / "heldout.safetensors")
        write_durably(folder / "task.json", _pretty(record))
        self.tidy()

    def save_after(self, name: str, after: AfterTask) -> None:
        """Store how every task did after a task."""
        write_durably(self.task_folder(name) / "after.json", _pretty(after))

    def tidy(self) -> None:
        """Bring `metrics.json` up to date and remove what a kill may have left behind; the run must be locked."""
        tasks = self.tasks
        for record in tasks:
            (self.task_folder(record.name) / "checkpoint.safetensors").unlink(missing_ok=True)
        for record in tasks[:-1]:
            (self.task_folder(record.name) / "method.safetensors").unlink(missing_ok=True)
        for part in (self.folder / "tasks").glob("*/.*.part"):
            part.unlink(missing_ok=True)
        write_durably(self.folder / "metrics.json", json.dumps(self.metrics(), indent=2).encode() + b"\n")

    def metrics(self) -> dict[str, object]:
        """Return accuracy (percent), training time and steps of every finished task, and the average accuracy."""
        tasks = self.tasks
        return {
            "average_accuracy": sum(task.accuracy for task in tasks) / len(tasks) if tasks else None,
            "tasks": [
                {
                    "task": task.name,
                    "accuracy": task.accuracy,
                    "balanced_accuracy": task.balanced_accuracy,
                    "best_floor": task.best_floor,
                    "classes": len(task.labels),
                    "train_items": task.train_items,
                    "test_items": task.test_items,
                    "steps": task.steps,
                    "seconds": round(task.seconds, 2),
                }
                for task in tasks
            ],
        }

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing.

        Raises:
            RunError: Another process trains in it.
        """
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"{self.folder}: another process trains in this run. Wait for it to end"
                ) from error
            yield


def _require_same(found: RunRecord, wanted: RunRecord, folder: Path) -> None:
    if found.fingerprint == wanted.fingerprint:  # then it does not matter where the backbone lies
        place = msgspec.structs.replace(wanted.config.backbone, source=found.config.backbone.source)
        wanted = msgspec.structs.replace(
            wanted, config=msgspec.structs.replace(wanted.config, backbone=place)
        )
    if found == wanted:
        return
    if found.fingerprint != wanted.fingerprint:
        raise RunError(
            f"{folder}: was made with backbone {found.fingerprint[:12]}, this command's is {wanted.fingerprint[:12]}. "
            "Continue with the same backbone and sizes, or choose another folder with --out"
        )
    before, now = msgspec.to_builtins(found.config), msgspec.to_builtins(wanted.config)
    changed = [
        f"{table}.{key} was {before[table][key]}, is {value}"
        for table in TABLES
        for key, value in now[table].items()
        if before[table][key] != value
    ]
    if before["seed"] != now["seed"]:
        changed.insert(0, f"seed was {before['seed']}, is {now['seed']}")
    raise RunError(
        f"{folder}: holds a run with other settings ({'; '.join(changed)}). "
        "Use the same settings to continue it, or choose another folder with --out"
    )


def _refuse_newer(raw: bytes, path: Path) -> None:
    try:
        version = json.loads(raw)["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({error}). Restore it from a backup") from error
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise RunError(f"{path}: format {version}, this edgecl reads up to {FORMAT_VERSION}. Update edgecl")


def _decode(raw: bytes, kind: type[Record], path: Path) -> Record:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise RunError(f"{path}: damaged ({error}). Restore it from a backup") from error


def _pretty(record: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
