"""The features of a frozen teacher, computed once per image and kept on disk.

CACHE/teacher-DIGEST/features.npy   float16 [N, 1 + G * G, D]: class token and patch tokens
CACHE/teacher-DIGEST/NUMBER.done    one per finished chunk, so that a stopped computation goes on where it was

The digest covers the teacher's weights, its input size and the images: what belongs to another teacher or to other
images has another name, and is never taken.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from edgecl.backbones.huggingface import load_backbone
from edgecl.errors import BackboneError, ConfigError, RunError
from edgecl.pretraining.feature_file import gigabytes, make_feature_file, open_feature_file
from edgecl.pretraining.sample import evenly_spaced
from edgecl_runtime.preprocess import ImagePreprocessing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecl.backbones.huggingface import Backbone
    from edgecl.pretraining.config import TeacherConfig
    from edgecl.pretraining.images import Images
    from edgecl.training.workers import Workers

CHUNK, TOLD, BATCH = 5000, 500, 50
"""Images that are marked as done together, that are told of together, that the teacher sees at once."""

FORMAT_VERSION = 1
SAMPLE = 2000
"""Images, at most, that the scale of the features is measured on."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of each number of a feature, float32 [D]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Scale:
        """Return the scale of features [..., D]."""
        rows = features.float().flatten(end_dim=-2)
        return cls(rows.mean(0), rows.std(0).clamp(min=1e-6))

    def __call__(self, features: Tensor) -> Tensor:
        """Return standardised features, float32 [..., D]."""
        return (features.float() - self.mean) / self.std


class TeacherFeatures:
    """The features of all training images, float16 [N, 1 + G * G, D], on the device of the student."""

    def __init__(self, features: Tensor) -> None:
        self._features = features
        self._grid = round((features.shape[1] - 1) ** 0.5)
        sample = features[torch.from_numpy(evenly_spaced(len(features), SAMPLE))]
        self._pooled_scale, self._token_scale = Scale.of(sample[:, 0]), Scale.of(sample[:, 1:])

    @property
    def width(self) -> int:
        """Numbers per feature, D."""
        return self._features.shape[2]

    def pooled(self, rows: Tensor) -> Tensor:
        """Return the standardised class tokens of images, [B, D]."""
        return self._pooled_scale(self._features[rows, 0])

    def maps(self, rows: Tensor) -> Tensor:
        """Return the standardised patch tokens of images as maps, [B, D, G, G]."""
        tokens = self._token_scale(self._features[rows, 1:])
        return tokens.transpose(1, 2).reshape(len(tokens), -1, self._grid, self._grid)


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen backbone, and how its images are prepared."""

    backbone: Backbone
    preprocessing: ImagePreprocessing

    @property
    def size(self) -> int:
        """Side of its input in pixels."""
        return self.preprocessing.size

    @property
    def grid(self) -> int:
        """Patches along a side of its input."""
        return self.size // int(self.backbone.module.model.config.patch_size)

    def digest(self, images: Images) -> str:
        """Return what tells its features of some images from all others."""
        parts = [FORMAT_VERSION, self.backbone.fingerprint, self.size, images.digest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @torch.inference_mode()
    def features(self, pixels: NDArray[np.uint8], device: torch.device) -> NDArray[np.float16]:
        """Return class token and patch tokens, [N, 1 + G * G, D], of images [N, S, S, 3]."""
        parts = []
        for start in range(0, len(pixels), BATCH):
            inputs = self._as_input(torch.from_numpy(pixels[start : start + BATCH]).to(device))
            tokens = self.backbone.module.model(pixel_values=inputs).last_hidden_state
            patches = tokens[:, -self.grid * self.grid :]  # DeiT has a second token before them
            parts.append(torch.cat([tokens[:, :1], patches], dim=1).half().cpu().numpy())
        return np.concatenate(parts)

    def _as_input(self, pixels: Tensor) -> Tensor:
        """Return images [B, S, S, 3] uint8 as the teacher reads them: enlarged whole, whatever it crops otherwise."""
        images, spec = pixels.permute(0, 3, 1, 2).float() / 255, self.preprocessing
        sized = interpolate(images, size=(spec.size, spec.size), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (sized.new_tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
        return (sized - mean) / std


def load_teacher(config: TeacherConfig) -> Teacher:
    """Return the teacher.

    Raises:
        ConfigError: The size of its input is no multiple of its patches.
        BackboneError: It cannot be loaded, or reads texts.
        NetworkError: The hub cannot be reached.
    """
    backbone = _load(str(config.source), config.image_size)
    preprocessing = backbone.spec.preprocessing
    if not isinstance(preprocessing, ImagePreprocessing):
        raise BackboneError.at(
            config.source,
            found="a backbone for texts",
            expected="one for images",
            fix="Choose another --teacher.",
        )
    return Teacher(backbone, preprocessing)


def teacher_features(
    teacher: Teacher,
    images: Images,
    cache: Path,
    *,
    device: torch.device,
    workers: Workers,
    on_items: Callable[[int, int], None],
) -> TeacherFeatures:
    """Return the teacher's features of all images, from the cache as far as they are there.

    Args:
        teacher: Frozen backbone.
        images: Training images.
        cache: Folder that holds the features of any teachers.
        device: Where they are computed and used.
        workers: The processes that train together; each computes a share.
        on_items: Called with the number of images done and of all images.

    Raises:
        RunError: A file of the cache is damaged, or there is no room for it on the disk or on the device.
    """
    shape = (len(images), 1 + teacher.grid**2, teacher.backbone.spec.dimensions.width)
    folder = cache / f"teacher-{teacher.digest(images)[:16]}"
    path = folder / "features.npy"
    if workers.is_first and not path.exists():
        make_feature_file(path, shape)
    workers.wait()
    stored = open_feature_file(path, shape)
    teacher.backbone.module.to(device)
    for start in range(workers.rank * CHUNK, len(images), workers.count * CHUNK):
        done, stop = folder / f"{start:09d}.done", min(start + CHUNK, len(images))
        if done.exists():
            on_items(stop, len(images))
            continue
        for first in range(start, stop, TOLD):
            told = slice(first, min(first + TOLD, stop))
            stored[told] = teacher.features(images.pixels[told], device)
            on_items(told.stop, len(images))
        stored.flush()
        done.touch()
    workers.wait()
    return _on_device(stored, device)


def _load(source: str, image_size: int | None) -> Backbone:
    try:
        return load_backbone(source, image_size=image_size)
    except BackboneError as error:
        if image_size is None:
            raise
        patch = int(load_backbone(source).module.model.config.patch_size)  # or the same error again
        if image_size % patch == 0:
            raise
        raise ConfigError.at(
            "teacher.image_size",
            found=str(image_size),
            expected=f"a multiple of {patch}, the side of a patch of {source}",
            fix=f"Set it with --set teacher.image_size={max(1, round(image_size / patch)) * patch}.",
        ) from error


def _on_device(stored: NDArray[np.float16], device: torch.device) -> TeacherFeatures:
    try:
        return TeacherFeatures(torch.from_numpy(stored).to(device))
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"{device}: has no room for the teacher's features, which take {gigabytes(stored.nbytes)}. "
            "Lower teacher.image_size, or train on fewer images"
        ) from error
