"""Toy images, packed shards and recipes for the tests of pretraining."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from edgecl.pretraining.config import PretrainingConfig, read_pretraining_config
from edgecl.pretraining.images import Images, PretrainingData, read_images
from edgecl.pretraining.loop import Round
from edgecl.pretraining.operations import OPERATIONS, Drawn
from edgecl.pretraining.record import TrainingRecord

SIZE = 16
CLASSES = ("dark", "light", "red")

TINY: dict[str, Any] = {
    "student.image_size": SIZE,
    "student.patch_size": 4,
    "student.width": 16,
    "student.blocks": 1,
    "student.heads": 2,
    "training.batch_size": 8,
    "training.epochs": 2,
    "training.round_steps": 2,
    "training.average_decay": 0.5,
    "training.device": "cpu",
}


def make_recipe(path: Path, **overrides: Any) -> PretrainingConfig:
    """Return the settings of a student of a few numbers; overrides are dotted keys with two underscores for the dot."""
    (path / "recipe.toml").write_text("", encoding="utf-8")
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return read_pretraining_config(str(path / "recipe.toml"), overrides=TINY | dotted)


def make_pixels(count: int, *, size: int = SIZE, seed: int = 0) -> NDArray[np.uint8]:
    """Return noisy images [count, size, size, 3]; every third one is dark, light or red."""
    random = np.random.default_rng(seed)
    base = np.array([[40, 40, 40], [200, 200, 200], [220, 60, 60]])[np.arange(count) % 3]
    noise = random.integers(0, 30, (count, size, size, 3))
    return (base[:, None, None, :] + noise).astype(np.uint8)


def make_images(count: int = 12, **options: Any) -> Images:
    """Return such images with their labels."""
    return Images(make_pixels(count, **options), np.arange(count) % 3)


def make_folder(path: Path, *, count: int = 24) -> Path:
    """Write such images as PNG files into a folder per class."""
    for number, pixels in enumerate(make_pixels(count)):
        folder = path / CLASSES[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return path


def encoded(pixels: NDArray[Any], *, kind: str = "png") -> bytes:
    """Return an image as a file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()


def make_shard(path: Path, *, count: int = 12, seed: int = 0, **changes: Any) -> Path:
    """Write such images as a packed shard; changes replace arrays, None leaves one out."""
    files = [encoded(pixels) for pixels in make_pixels(count, seed=seed)]
    arrays = {
        "blob": np.frombuffer(b"".join(files), np.uint8),
        "offset": np.cumsum([0, *map(len, files)]),
        "label": np.arange(count) % 3,
        "split": np.zeros(count, np.int8),
        "classes": np.array(CLASSES),
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def make_shards(folder: Path) -> Path:
    """Write a folder of two shards to train on and one to validate on."""
    make_shard(folder / "toy_train0.npz")
    make_shard(folder / "toy_train1.npz", seed=1)
    make_shard(folder / "toy_val.npz", count=6, seed=2, split=np.ones(6, np.int8))
    return folder


def read_toy(path: Path, *, size: int = SIZE) -> PretrainingData:
    """Return the images of a folder without telling anybody."""
    return read_images(path, size=size, seed=0, on_items=lambda done, total: None)


def drawn(name: str, *, strength: float = 0.5, count: int = 2) -> Drawn:
    """Return one operation for all images."""
    return Drawn(np.full(count, OPERATIONS.index(name)), np.full(count, strength))


def random_images(count: int = 2, *, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    """Return images from 0 to 1, [count, 3, size, size], of whole levels."""
    levels = np.random.default_rng(seed).integers(20, 220, (count, 3, size, size))
    return torch.from_numpy(levels / 255).float()


class Told:
    """A report that keeps what it is told, and stops after so many rounds, before the last of them is stored."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.read: list[tuple[int, int]] = []
        self.taught: list[tuple[int, int]] = []
        self.rounds: list[Round] = []
        self.finished_before: list[TrainingRecord] = []
        self._stop_after = stop_after

    def reading(self, done: int, total: int) -> None:
        self.read.append((done, total))

    def teaching(self, done: int, total: int) -> None:
        self.taught.append((done, total))

    def round(self, round_: Round) -> None:
        self.rounds.append(round_)
        if len(self.rounds) == self._stop_after:
            raise KeyboardInterrupt

    def was_finished(self, record: TrainingRecord) -> None:
        self.finished_before.append(record)
