"""The folder of a run: its settings, its tasks, what they learned.

RUN/run.json                         settings, backbone, fingerprint
RUN/metrics.json                     accuracy of every finished task
RUN/tasks/NAME/task.json             labels, data fingerprint, accuracy; there once the task is finished
RUN/tasks/NAME/tensors.safetensors   the eight task tensors, float32
RUN/tasks/NAME/heldout.safetensors   test items for the parity gate of later exports
RUN/tasks/NAME/checkpoint.safetensors   only while the task is being trained
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from edgecl.config import RunConfig
from edgecl.errors import RunError
from edgecl.training.heldout import HeldOut
from edgecl_runtime.durable import write_durably
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_VERSION = 1
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

    def save_task(self, record: TaskRecord, tensors: TaskTensors, heldout: HeldOut) -> None:
        """Store a finished task; the record is written last, so that a task is finished or not there."""
        folder = self.task_folder(record.name)
        write_durably(folder / "tensors.safetensors", save(dict(tensors.items())))
        heldout.save(folder / "heldout.safetensors")
        write_durably(folder / "task.json", _pretty(record))
        self.tidy()

    def tidy(self) -> None:
        """Bring `metrics.json` up to date and remove what a kill may have left behind; the run must be locked."""
        for record in self.tasks:
            (self.task_folder(record.name) / "checkpoint.safetensors").unlink(missing_ok=True)
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
        for table in ("backbone", "method", "training")
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
        raise RunError(
            f"{path}: format {version}, this edgecl reads up to {FORMAT_VERSION}. Update: pip install -U edgecl"
        )


def _decode(raw: bytes, kind: type[Record], path: Path) -> Record:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise RunError(f"{path}: damaged ({error}). Restore it from a backup") from error


def _pretty(record: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
