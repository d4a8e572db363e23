"""What a pretraining writes down: its settings before, its result after."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import torch

from edgecl.errors import RunError
from edgecl.pretraining.config import PretrainingConfig
from edgecl_runtime.durable import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = TypeVar("Record", bound=msgspec.Struct)

SETTINGS, RESULT = Path("training") / "settings.json", "training.json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`training/settings.json`: what a command that continues must agree with.

    Attributes:
        config: The recipe.
        data_sha256: Of the training images and labels.
        teacher_fingerprint: Of the teacher's weights; None without one.
    """

    config: PretrainingConfig
    data_sha256: str
    teacher_fingerprint: str | None

    def identity(self) -> str:
        """Return what a checkpoint must agree with."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class TrainingRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`training.json`: how a backbone was trained, and what it reached.

    Attributes:
        settings: Recipe, data and teacher.
        classes: How many.
        train_images: How many.
        validation_images: How many.
        steps: Optimiser steps.
        images_seen: Training images, counted as often as they were seen.
        seconds: Wall time of training, over all parts of a run that was stopped.
        losses: Mean of each round.
        validation_top1: Percent, of the averaged weights rounded to float16, by the classifier that was trained along.
        parameters: Of the backbone.
        macs: Multiply-accumulate operations of one image.
        weights_sha256: Of `model.safetensors`.
        versions: Of the packages.
        processes: That trained together.
        threads: Of each on the CPU.
        machine: Where.
    """

    settings: Settings
    classes: int
    train_images: int
    validation_images: int
    steps: int
    images_seen: int
    seconds: float
    losses: tuple[float, ...]
    validation_top1: float
    parameters: int
    macs: int
    weights_sha256: str
    versions: dict[str, str]
    processes: int
    threads: int
    machine: str


def check_folder(folder: Path, config: PretrainingConfig) -> None:
    """Make sure, before data and teacher are read, that a folder can take a backbone of this recipe.

    Raises:
        RunError: It was begun with another recipe, or holds something else.
    """
    begun = _begun(folder)
    if begun is not None:
        _require_same(begun, msgspec.structs.replace(begun, config=config), folder)


def open_settings(folder: Path, settings: Settings) -> None:
    """Store the settings in the folder of a backbone, or make sure that they are those it was begun with.

    Raises:
        RunError: It was begun with others, or holds something else.
    """
    begun = _begun(folder)
    if begun is not None:
        _require_same(begun, settings, folder)
        return
    path = folder / SETTINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, _pretty(settings))


def read_settings(folder: Path) -> Settings:
    """Return the settings that a pretraining was begun with; the result of a finished one holds them, too.

    Raises:
        RunError: The file is damaged.
    """
    path = folder / SETTINGS
    if is_finished(folder) and not path.exists():
        return read_record(folder).settings
    return _decoded(path, Settings)


def is_finished(folder: Path) -> bool:
    """Say whether a folder holds the result of a pretraining."""
    return (folder / RESULT).exists()


def read_record(folder: Path) -> TrainingRecord:
    """Return the result of a finished pretraining.

    Raises:
        RunError: The file is damaged.
    """
    return _decoded(folder / RESULT, TrainingRecord)


def write_record(folder: Path, record: TrainingRecord) -> None:
    """Store the result: the last file of a pretraining."""
    write_durably(folder / RESULT, _pretty(record))


def machine(device: torch.device) -> str:
    """Return what computed, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _begun(folder: Path) -> Settings | None:
    """Return the settings of the pretraining that a folder holds; None if it is empty or not there."""
    if is_finished(folder) or (folder / SETTINGS).exists():
        return read_settings(folder)
    if folder.is_file() or (
        folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir())
    ):
        raise RunError(f"{folder}: is not empty and no pretraining of this command. Choose another --out")
    return None


def _require_same(found: Settings, wanted: Settings, folder: Path) -> None:
    before, now = dict(_flat(msgspec.to_builtins(found))), dict(_flat(msgspec.to_builtins(wanted)))
    if (
        found.teacher_fingerprint == wanted.teacher_fingerprint
    ):  # then it does not matter where the teacher lies
        before["teacher.source"] = now["teacher.source"]
    changed = [f"{key} was {before[key]}, is {now[key]}" for key in now if now[key] != before[key]]
    if changed:
        raise RunError(
            f"{folder}: was begun with other settings ({'; '.join(changed)}). "
            "Use the same settings and data to continue it, or choose another folder with --out"
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}".removeprefix("config."), value


def _decoded(path: Path, kind: type[Record]) -> Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: damaged ({error}). Train into another folder with --out") from error


def _pretty(record: msgspec.Struct) -> bytes:
    return json.dumps(msgspec.to_builtins(record), indent=2).encode() + b"\n"
