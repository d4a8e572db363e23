"""The folder of a run: its settings, its tasks, what they learned.

RUN/run.json                         settings, backbone, fingerprint
RUN/metrics.json                     accuracy and cost of every finished task
RUN/tasks/NAME/task.json             labels, data fingerprint, accuracy; there once the task is finished
RUN/tasks/NAME/tensors.safetensors   the eight task tensors, float32
RUN/tasks/NAME/heldout.safetensors   test items for the parity gate of later exports
RUN/tasks/NAME/method.safetensors    what later tasks build on, in the folder of the last finished task only
RUN/tasks/NAME/peer.safetensors      instead of tensors: parameters of a peer that is measured and never shipped
RUN/tasks/NAME/signature.safetensors mean and variance of its bare features: nearness of tasks, not what was learned
RUN/tasks/NAME/after.json            accuracy of every task so far, measured after this one
RUN/tasks/NAME/checkpoint.safetensors   only while the task is being trained
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load, save
from safetensors.torch import load as load_state
from safetensors.torch import save as save_state

from edgecl.errors import RunError
from edgecl.training.heldout import HeldOut
from edgecl.training.records import (
    AfterTask,
    RunRecord,
    TaskRecord,
    decode_record,
    decode_run,
    encode_record,
    refuse_newer,
    require_same,
)
from edgecl_runtime.durable import make_folder_durably, write_durably
from edgecl_runtime.tensors import TaskTensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

TENSORS, HELDOUT = "tensors.safetensors", "heldout.safetensors"
STATE, PEER = "method.safetensors", "peer.safetensors"
PACK_DTYPE = "F16"
"""Type of the tensors in a pack: a task is measured as it is rounded to it."""


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
            make_folder_durably(folder)
            write_durably(folder / "run.json", encode_record(record))
        return cls.open(folder)

    @classmethod
    def refuse_other(cls, folder: Path, record: RunRecord) -> None:
        """Do nothing if a run with these settings can be made or continued in a folder.

        Raises:
            RunError: It holds a run with other settings, or something that is not a run.
        """
        if (folder / "run.json").exists():
            require_same(cls.open(folder).record, record, folder)
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
        refuse_newer(raw, path)
        return cls(folder, decode_run(raw, path))

    @property
    def tasks(self) -> tuple[TaskRecord, ...]:
        """Finished tasks in the order of training.

        Raises:
            RunError: A record is damaged.
        """
        paths = sorted((self.folder / "tasks").glob("*/task.json"))
        records = [decode_record(path.read_bytes(), TaskRecord, path) for path in paths]
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
        return (self.task_folder(name) / TENSORS).exists()

    def tensors(self, name: str) -> TaskTensors:
        """Return what a task learned, float32.

        Raises:
            RunError: The file is missing or damaged.
        """
        with self._reading(name, TENSORS) as content:
            stored = load(content)
            return TaskTensors(**{field.name: stored[field.name] for field in fields(TaskTensors)})

    def heldout(self, name: str) -> HeldOut:
        """Return the held-out sample of a task.

        Raises:
            RunError: The file is missing or damaged.
        """
        with self._reading(name, HELDOUT) as content:
            return HeldOut.decode(content)

    def method_state(self) -> dict[str, Tensor]:
        """Return what the method of the run had after its last finished task; empty if it keeps nothing.

        Raises:
            RunError: The file is damaged.
        """
        names = self.names
        if not names or not (self.task_folder(names[-1]) / STATE).exists():
            return {}
        with self._reading(names[-1], STATE) as content:
            return dict(load_state(content))

    @contextmanager
    def _reading(self, name: str, file: str) -> Iterator[bytes]:
        """Give the content of a file of a finished task.

        Raises:
            RunError: It is missing, other bytes than were written, or what is done with it fails.
        """
        path = self.task_folder(name) / file
        try:
            content = path.read_bytes()
            expected = self._finished(name).files_sha256.get(file)
            found = hashlib.sha256(content).hexdigest()
            if expected not in {None, found}:  # runs of earlier versions have no digests
                raise ValueError(f"sha256 {found[:12]}, {expected[:12]} was written")
            yield content
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}). Restore the run folder") from error

    def _finished(self, name: str) -> TaskRecord:
        path = self.task_folder(name) / "task.json"
        return decode_record(path.read_bytes(), TaskRecord, path)

    def after(self, name: str) -> AfterTask | None:
        """Return how every task did after a task; None if that was not measured.

        Raises:
            RunError: The file is damaged.
        """
        path = self.task_folder(name) / "after.json"
        return decode_record(path.read_bytes(), AfterTask, path) if path.exists() else None

    def save_task(self, record: TaskRecord, learned: Learned, heldout: HeldOut) -> None:
        """Store a finished task; the record is written last, so that a task is finished or not there."""
        folder = self.task_folder(record.name)
        contents = {HELDOUT: heldout.encode()}
        if learned.tensors is not None:
            contents[TENSORS] = save(dict(learned.tensors.items()))
        if learned.peer:
            contents[PEER] = save_state(learned.peer)
        if learned.state:
            contents[STATE] = save_state(learned.state)
        for name, content in contents.items():
            write_durably(folder / name, content)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        record = msgspec.structs.replace(record, files_sha256=digests)
        write_durably(folder / "task.json", encode_record(record))
        self.tidy()

    def save_after(self, name: str, after: AfterTask) -> None:
        """Store how every task did after a task."""
        write_durably(self.task_folder(name) / "after.json", encode_record(after))

    def tidy(self) -> None:
        """Bring `metrics.json` up to date and remove what a kill may have left behind; the run must be locked."""
        tasks = self.tasks
        for record in tasks:
            (self.task_folder(record.name) / "checkpoint.safetensors").unlink(missing_ok=True)
        for record in tasks[:-1]:
            (self.task_folder(record.name) / STATE).unlink(missing_ok=True)
        for part in (self.folder / "tasks").glob("*/.*.part"):
            part.unlink(missing_ok=True)
        write_durably(self.folder / "metrics.json", json.dumps(self.metrics(), indent=2).encode() + b"\n")

    def metrics(self) -> dict[str, object]:
        """Return what every finished task reached (percent), what it took, and the averages.

        The score is the accuracy, balanced over the classes where one of them holds most of the test items. What
        later tasks did to earlier ones is in the report of the run (`edgecl.report`).
        """
        tasks = self.tasks
        return {
            "average_accuracy": sum(task.accuracy for task in tasks) / len(tasks) if tasks else None,
            "average_score": sum(task.score for task in tasks) / len(tasks) if tasks else None,
            "tasks": [
                {
                    "task": task.name,
                    "score": task.score,
                    "accuracy": task.accuracy,
                    "balanced_accuracy": task.balanced_accuracy,
                    "best_floor": task.best_floor,
                    "classes": len(task.labels),
                    "train_items": task.train_items,
                    "test_items": task.test_items,
                    "steps": task.steps,
                    "seconds": round(task.seconds, 2),
                    "peak_bytes": task.peak_bytes,
                    "size_bytes": task.size_bytes,
                    "shared_bytes": task.shared_bytes,
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
