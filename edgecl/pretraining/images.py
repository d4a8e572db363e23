"""Images and labels to pretrain on, decoded once to the student's size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError
from edgecl.pretraining.shards import read_shards, shard_paths
from edgecl.pretraining.student import PIXEL_MEAN, PIXEL_STD
from edgecl.streams import Split, TaskData, TaskSpec, check_items, load_task
from edgecl.streams.examples import some_of
from edgecl.streams.folders import read_folders
from edgecl_runtime.preprocess import ImagePreprocessing, build_preprocessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgecl.streams.examples import Examples
    from edgecl_runtime.preprocess import Preprocessor

VALIDATION_FRACTION = 0.1
"""Of each class, where the data have no part of their own."""

VALIDATION = frozenset({"val", "valid", "validation"})
"""Names of the part that is validated on where there is no `test`."""

NAME = "pretraining"
REPORTED = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images, uint8 [N, S, S, 3], and their labels, int64 [N]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """Return the sha256 of pixels and labels."""
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        digest.update(self.pixels.data)
        digest.update(self.labels.data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class PretrainingData:
    """What a student is trained and validated on."""

    train: Images
    validation: Images
    classes: tuple[str, ...]


def preprocessing(size: int) -> ImagePreprocessing:
    """Return how an image becomes an input of a student, here and wherever it is used later."""
    return ImagePreprocessing(
        size=size,
        resize="exact",
        resize_to=size,
        interpolation="bicubic",
        mean=(PIXEL_MEAN,) * 3,
        std=(PIXEL_STD,) * 3,
    )


def read_images(path: Path, *, size: int, seed: int, on_items: Callable[[int, int], None]) -> PretrainingData:
    """Return the images of a folder of class folders, or of packed shards.

    Args:
        path: A folder with one sub-folder per class (directly, or in `train` and `test` or `val`), a shard, or a
            folder of shards.
        size: Side in pixels to which images are resized.
        seed: Chooses the validation images of a folder that has no part for them.
        on_items: Called with the number of images done and of all images.

    Raises:
        DataError: The data cannot be read, or there is nothing to train or to validate on.
    """
    preprocessor = build_preprocessor(preprocessing(size), folder=Path())
    if shards := shard_paths(path):
        return _from_shards(shards, preprocessor, on_items)
    task = _load_folder(path, seed)
    if task.modality != "image":
        raise DataError.at(
            path,
            found="texts",
            expected="images",
            fix="Give a folder with one sub-folder of images per class.",
        )
    prepared = check_items(task, preprocessor, progress=on_items)
    return PretrainingData(
        Images(np.stack(prepared.train), task.train.targets),
        Images(np.stack(prepared.test), task.test.targets),
        task.labels,
    )


def _load_folder(path: Path, seed: int) -> TaskData:
    validation = _validation_folder(path)
    if validation is None:
        return load_task(TaskSpec(name=NAME, data=path, test_fraction=VALIDATION_FRACTION), seed=seed)
    train, held_out = (read_folders(part, classes=None).train for part in (path / "train", validation))
    labels = tuple(sorted(set(train.labels)))
    if unknown := sorted(set(held_out.labels) - set(labels)):
        raise DataError.at(
            validation,
            found=f"the classes {some_of(list(map(repr, unknown)))}, which 'train' has not",
            expected="classes to train on",
            fix="Add images of them to 'train', or remove them.",
        )
    if len(labels) < 2:
        raise DataError.at(
            path / "train",
            found=f"{labels[0]!r} as the only class",
            expected="two classes or more",
            fix="Check the layout of the data.",
        )
    return TaskData(
        name=NAME,
        labels=labels,
        train=_split(train, labels),
        test=_split(held_out, labels),
        modality="image",
        fingerprint="",  # a pretraining goes by the digest of its pixels
    )


def _validation_folder(path: Path) -> Path | None:
    """Return the validation part of a folder that holds it and `train`, the layout of ImageNet; None of any other."""
    parts = {entry.name for entry in path.glob("[!.]*") if entry.is_dir()}
    has_classes = any(entry.is_dir() for entry in path.glob("train/[!.]*"))
    if not has_classes or not parts - {"train"} or not parts - {"train"} <= VALIDATION:
        return None
    name, *others = sorted(parts - {"train"})
    if others:
        raise DataError.at(
            path,
            found=f"{some_of([name, *others])} beside 'train'",
            expected="one validation part",
            fix="Remove the others.",
        )
    return path / name


def _split(examples: Examples, classes: tuple[str, ...]) -> Split:
    position = {name: number for number, name in enumerate(classes)}
    return Split(examples.items, np.array([position[label] for label in examples.labels], np.int64))


def _from_shards(
    paths: list[Path], preprocessor: Preprocessor, on_items: Callable[[int, int], None]
) -> PretrainingData:
    shards = read_shards(paths)
    labels = np.concatenate([shard.label for shard in shards])
    split = np.concatenate([shard.split for shard in shards])
    for part, name in ((0, "training"), (1, "validation")):
        if not (split == part).any():
            raise DataError.at(
                paths[0].parent,
                found=f"no {name} image",
                expected=f"some with split {part}",
                fix="Add a shard that holds them.",
            )
    decoded = (image for shard in shards for image in shard.prepared(preprocessor))
    first = next(decoded)
    pixels = np.empty((len(labels), *first.shape), np.uint8)
    pixels[0] = first
    for done, image in zip(count(1), decoded):
        pixels[done] = image
        if done % REPORTED == 0 or done == len(labels) - 1:
            on_items(done + 1, len(labels))
    parts = [Images(pixels[split == part], labels[split == part]) for part in (0, 1)]
    return PretrainingData(parts[0], parts[1], shards[0].classes)
