"""Train a backbone from a random start into a folder that `edgecl train --backbone` reads.

OUT/config.json, model.safetensors, preprocessor_config.json   the backbone
OUT/training.json                                              how it was trained and what it reached, written last
OUT/training/                                                  settings, checkpoint, logs; the teacher's features
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from edgecl.errors import ConfigError
from edgecl.pretraining.average import is_finite
from edgecl.pretraining.batches import Material
from edgecl.pretraining.cost import vit_macs
from edgecl.pretraining.export import round_to_half, top1, write_backbone
from edgecl.pretraining.images import PretrainingData, read_images
from edgecl.pretraining.loop import Round, Trainer, diverged
from edgecl.pretraining.record import (
    Settings,
    TrainingRecord,
    check_folder,
    is_finished,
    machine,
    open_settings,
    read_record,
    read_settings,
    write_record,
)
from edgecl.pretraining.sample import evenly_spaced
from edgecl.pretraining.schedule import Order
from edgecl.pretraining.student import Student, start_whitened
from edgecl.pretraining.teacher import TeacherFeatures, load_teacher, teacher_features
from edgecl.training.loop import Resumption, choose_device
from edgecl.training.versions import package_versions
from edgecl.training.workers import Workers

if TYPE_CHECKING:
    from edgecl.pretraining.config import PretrainingConfig

WORK = "training"
WHITENED_ON = 4000
"""Training images, at most, that the start of the patch embedding is measured on."""


class PretrainingReport(Protocol):
    """What a caller is told while a backbone is trained."""

    def reading(self, done: int, total: int) -> None:
        """So many images were read and decoded."""
        ...

    def teaching(self, done: int, total: int) -> None:
        """The teacher has seen so many images."""
        ...

    def round(self, round_: Round) -> None:
        """A round of steps was trained."""
        ...

    def was_finished(self, record: TrainingRecord) -> None:
        """The same training was finished before, and nothing is done."""
        ...


def pretrain(
    config: PretrainingConfig, data: Path, out: Path, *, cache: Path | None = None, report: PretrainingReport
) -> TrainingRecord:
    """Train a backbone, or go on where the same call was stopped, and return how that went.

    Args:
        config: The recipe.
        data: Image folder, or packed shards.
        out: Folder of the backbone.
        cache: Folder for the teacher's features, which several trainings may share; inside `out` if None.
        report: Is told of the progress.

    Raises:
        ConfigError: The device is not there, or one for several processes; there are more of these than images in a
            batch; or the teacher cannot read images of the size that is set.
        DataError: The data cannot be trained on.
        BackboneError: The teacher cannot be used.
        NetworkError: The hub that holds the teacher cannot be reached.
        RunError: `out` holds something else, a file of it is damaged, or training diverged.
    """
    workers = Workers.of_environment()
    device = choose_device(config.training.device)
    _check_processes(workers, config, device)
    if workers.is_first:
        check_folder(out, config)
    workers.wait()
    if is_finished(out) and read_settings(out).config == config:
        return _finished_before(out, report)
    images = read_images(data, size=config.student.image_size, seed=config.seed, on_items=report.reading)
    teacher = load_teacher(config.teacher) if config.loss.needs_teacher else None
    settings = Settings(config, images.train.digest(), teacher.backbone.fingerprint if teacher else None)
    if workers.is_first:
        open_settings(out, settings)
    workers.wait()
    if is_finished(out):  # with this teacher, which lay elsewhere then
        return _finished_before(out, report)
    settings = read_settings(out)
    features = None
    if teacher is not None:
        features = teacher_features(
            teacher,
            images.train,
            cache or out / WORK,
            device=device,
            workers=workers,
            on_items=report.teaching,
        )
    trainer = _trainer(settings, images, features, out, device=device, workers=workers)
    trainer.train(report.round)
    if workers.is_first:
        _store(trainer, settings, images, out, processes=workers.count)
    workers.wait()
    return read_record(out)


def _finished_before(out: Path, report: PretrainingReport) -> TrainingRecord:
    record = read_record(out)
    report.was_finished(record)
    return record


def _check_processes(workers: Workers, config: PretrainingConfig, device: torch.device) -> None:
    if workers.count > 1 and device.index is not None:
        raise ConfigError.at(
            "training.device",
            found=f"{device} for {workers.count} processes",
            expected="one for each",
            fix=f"Set auto or {device.type}: each process takes its own.",
        )
    if workers.count > config.training.batch_size:
        raise ConfigError.at(
            "training.batch_size",
            found=f"{config.training.batch_size} for {workers.count} processes",
            expected="an image for each",
            fix="Raise it, or launch fewer.",
        )


def _trainer(
    settings: Settings,
    images: PretrainingData,
    features: TeacherFeatures | None,
    out: Path,
    *,
    device: torch.device,
    workers: Workers,
) -> Trainer:
    config, train = settings.config, images.train
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        student = Student(
            config.student,
            classes=len(images.classes),
            teacher_width=features.width if features else None,
            loss=config.loss,
        )
        start_whitened(student.backbone, train.pixels[evenly_spaced(len(train), WHITENED_ON)])
    material = Material(
        train,
        classes=len(images.classes),
        grid=config.student.grid,
        teacher=features,
        learns_tokens=config.loss.tokens > 0,
        device=device,
    )
    return Trainer(
        student.to(device),
        material,
        Order.of(len(train), config.training.batch_size, config.seed),
        config=config,
        resumption=Resumption(out / WORK / "checkpoint.safetensors", settings.identity()),
        workers=workers,
    )


def _store(
    trainer: Trainer, settings: Settings, images: PretrainingData, out: Path, *, processes: int
) -> None:
    """Measure the average of the weights as it is stored, and store it."""
    student = trainer.average.eval()
    round_to_half(student.backbone)
    if not is_finite(student.backbone):
        raise diverged(out, "weights beyond what float16 holds")
    record = TrainingRecord(
        settings=settings,
        classes=len(images.classes),
        train_images=len(images.train),
        validation_images=len(images.validation),
        steps=trainer.step,
        images_seen=trainer.step * trainer.batch_size,
        seconds=trainer.progress.seconds,
        losses=trainer.progress.losses,
        validation_top1=top1(student, images.validation),
        parameters=sum(each.numel() for each in student.backbone.parameters()),
        macs=vit_macs(student.backbone.config),
        weights_sha256=write_backbone(student, out),
        versions=package_versions("edgecl", "torch", "transformers"),
        processes=processes,
        threads=torch.get_num_threads(),
        machine=machine(next(student.parameters()).device),
    )
    write_record(out, record)
