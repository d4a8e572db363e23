"""The records in a run folder: what each of its JSON files says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from edgecl.config import BEFORE, TABLES, RunConfig, filled_in
from edgecl.errors import RunError
from edgecl.evaluation.scores import Score
from edgecl.kinds import Modality
from edgecl.training.gate import Gain

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
    modality: Modality
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
        parent: Earlier task whose modules it started from; of an average or a mixture the newest of its tasks.
        parent_gains: What each candidate for that gained over a fresh start, with the error: percent points of
            accuracy, or percent of the most that the score can be; none where the items say nothing.
        parent_evidence: What decided on the start, where the gains of earlier tasks were pooled with this one's.
        guided_by: Distances to earlier tasks that guided its embedding; empty where none did, or none could be
            relied on.
        validation: Accuracy on the items that were held back to choose the epoch, after each epoch, percent.
        size_bytes: Of the task's tensors as they are packed; of a peer, its parameters in the same type.
        shared_bytes: Of what all tasks share on the workstation, after this task.
        peak_bytes: Most memory while it was trained; None where the system does not say.
        files_sha256: Of the files that hold what was learned and the held-out items, by name; empty in older runs.
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
    parent_evidence: Gain | None = None
    guided_by: dict[str, float] = {}
    validation: tuple[float, ...] = ()
    size_bytes: int | None = None
    shared_bytes: int = 0
    peak_bytes: int | None = None
    files_sha256: dict[str, str] = {}

    @property
    def is_balanced(self) -> bool:
        """Whether balanced accuracy is the one to look at; older runs did not measure it."""
        return self.dominated and self.balanced_accuracy is not None

    @property
    def score(self) -> float:
        """The accuracy to look at, percent: balanced where one class dominates."""
        balanced = self.balanced_accuracy if self.dominated else None
        return self.accuracy if balanced is None else balanced

    @property
    def best_floor(self) -> float | None:
        """The best floor in the same measure, percent; None if floors were not measured."""
        measures = (floor.to_look_at(dominated=self.dominated) for floor in self.floors.values())
        return max(measures, default=None)


class AfterTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after.json`: every task so far, tested again after a task.

    Attributes:
        now: Accuracy with what the method would ship for each task now.
        shipped_unchanged: Whether the stored tensors of each task still predict what they did.
        drift: Relative change of what would be shipped now, against what was: Frobenius norm over all modules.
        class_incremental: Accuracy on the test items of each task when nobody says which task they are of, percent:
            task and class must both be right; empty if it was not measured.
        domain_incremental: The same with the class alone to be right; only of tasks that all have the same classes.
    """

    now: dict[str, Score]
    shipped_unchanged: dict[str, bool]
    drift: dict[str, float]
    class_incremental: dict[str, float] = {}
    domain_incremental: dict[str, float] = {}


def decode_run(raw: bytes, path: Path) -> RunRecord:
    """Return what `run.json` says; what it does not name was written before there was another way.

    Raises:
        RunError: It is damaged.
    """
    record = decode_record(_in_words_of_today(raw), RunRecord, path)
    return msgspec.structs.replace(record, config=filled_in(record.config, BEFORE))


def _in_words_of_today(raw: bytes) -> bytes:
    """Return `run.json` with the start of its tasks as it is called now; as it is if it is none."""
    try:
        tree = json.loads(raw)
        transfer = tree["config"]["transfer"]
        if transfer["start"] == "previous":
            transfer |= {"start": "average", "average_rate": 1.0}
        elif transfer["start"] == "gated":  # at first it was asked about single tasks, each for itself
            tree["config"]["transfer"] = {"proposal": "tasks", "evidence": "task", **transfer}
    except (ValueError, KeyError, TypeError, RecursionError):
        return raw
    return json.dumps(tree).encode()


def require_same(found: RunRecord, wanted: RunRecord, folder: Path) -> None:
    """Do nothing if a run folder was made with the settings that are wanted.

    What is measured besides may change, and so may the device.

    Raises:
        RunError: It was not; names what differs.
    """
    training = msgspec.structs.replace(wanted.config.training, device=found.config.training.device)
    config = msgspec.structs.replace(wanted.config, evaluation=found.config.evaluation, training=training)
    if found.fingerprint == wanted.fingerprint:  # then it does not matter where the backbone lies
        place = msgspec.structs.replace(config.backbone, source=found.config.backbone.source)
        config = msgspec.structs.replace(config, backbone=place)
    wanted = msgspec.structs.replace(wanted, config=config)
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


def refuse_newer(raw: bytes, path: Path) -> None:
    """Do nothing if this version reads the format of a run.

    Raises:
        RunError: It does not, or the file is damaged.
    """
    try:
        version = json.loads(raw)["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({error}). Restore it from a backup") from error
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise RunError(f"{path}: format {version}, this edgecl reads up to {FORMAT_VERSION}. Update edgecl")


def decode_record(raw: bytes, kind: type[Record], path: Path) -> Record:
    """Return what a file of the folder says.

    Raises:
        RunError: It is damaged, or names something that this version does not know.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise RunError(
            f"{path}: not as this edgecl writes it ({error}). If a newer one made the run, update edgecl; "
            "if not, it is damaged: restore it from a backup"
        ) from error
    except msgspec.DecodeError as error:
        raise RunError(f"{path}: damaged ({error}). Restore it from a backup") from error


def encode_record(record: msgspec.Struct) -> bytes:
    """Return what a file of the folder holds.

    Raises:
        ValueError: A number is not finite. JSON has no word for it, so that the folder could not be read again.
    """
    json.dumps(msgspec.to_builtins(record), allow_nan=False)
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
