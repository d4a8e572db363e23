"""The operations of TrivialAugment (Müller and Hutter 2021), one drawn per image; here are those that change colours.

The arithmetic is Pillow's, on whole batches and without a loop over images, so that a GPU does not wait for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d

STRONGEST = 0.99
"""Of TrivialAugment's wide ranges: a factor goes from 0.01 to 1.99."""

LOST_BITS = 6
GREY = (0.299, 0.587, 0.114)
LEVELS = 256


@dataclass(frozen=True, slots=True)
class Drawn:
    """An operation per image, positions in `OPERATIONS` [B], and its strength, -1 to 1 [B]."""

    operations: NDArray[np.int64]
    strengths: NDArray[np.float64]


def draw_operations(count: int, share: float, random: np.random.Generator) -> Drawn:
    """Return an operation for a share of the images, and the identity for the others."""
    operations = random.integers(0, len(OPERATIONS), count)
    operations[random.random(count) >= share] = 0
    return Drawn(operations, random.uniform(-1, 1, count))


def recoloured(images: Tensor, drawn: Drawn) -> Tensor:
    """Return images [B, 3, H, W] from 0 to 1 after the operations that change their colours."""
    result = images.clone()
    for name, change in _COLOURS.items():
        hit = np.flatnonzero(drawn.operations == OPERATIONS.index(name))
        if hit.size:
            rows = torch.from_numpy(hit).to(images.device)
            strengths = torch.from_numpy(drawn.strengths[hit]).to(images).view(-1, 1, 1, 1)
            result[rows] = change(images[rows], strengths)
    return result


def _away_from(base: Tensor, images: Tensor, strengths: Tensor) -> Tensor:
    """Return `images` moved towards `base` or away from it."""
    return (base + (1 + STRONGEST * strengths) * (images - base)).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    weights = images.new_tensor(GREY).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def brightness(images: Tensor, strengths: Tensor) -> Tensor:
    """Return images between black and twice as bright."""
    return _away_from(torch.zeros_like(images), images, strengths)


def saturation(images: Tensor, strengths: Tensor) -> Tensor:
    """Return images between grey and twice as colourful."""
    return _away_from(_grey(images), images, strengths)


def contrast(images: Tensor, strengths: Tensor) -> Tensor:
    """Return images between their mean grey and twice the contrast."""
    return _away_from(_grey(images).mean(dim=(2, 3), keepdim=True), images, strengths)


def sharpness(images: Tensor, strengths: Tensor) -> Tensor:
    """Return images between smoothed and sharpened; the outermost pixels stay."""
    kernel = images.new_tensor([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = conv2d(images, kernel.expand(3, 1, 3, 3), groups=3)
    return _away_from(smooth, images, strengths)


def posterize(images: Tensor, strengths: Tensor) -> Tensor:
    """Return images with up to six bits of each channel lost."""
    step = 2 ** (LOST_BITS * strengths.abs()).round()
    return (_levels(images) / step).floor() * step / (LEVELS - 1)


def solarize(images: Tensor, strengths: Tensor) -> Tensor:
    """Return images with what is brighter than a threshold inverted."""
    return torch.where(images > 1 - strengths.abs(), 1 - images, images)


def autocontrast(images: Tensor, _strengths: Tensor) -> Tensor:
    """Return images whose every channel goes from 0 to 1."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp(min=1e-6), images)


def equalize(images: Tensor, _strengths: Tensor) -> Tensor:
    """Return images whose levels are used equally often, in each channel."""
    levels = _levels(images).long().flatten(2).flatten(end_dim=1)
    counts = torch.zeros(len(levels), LEVELS, device=images.device, dtype=torch.long)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    last = counts.gather(1, levels.amax(dim=1, keepdim=True))
    step = (levels.shape[1] - last) // (LEVELS - 1)
    below = counts.cumsum(dim=1) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=LEVELS - 1)
    equal = torch.where(step > 0, table.gather(1, levels), levels)
    return (equal / (LEVELS - 1)).view_as(images)


def _levels(images: Tensor) -> Tensor:
    return (images * (LEVELS - 1)).round()


_COLOURS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": brightness,
    "saturation": saturation,
    "contrast": contrast,
    "sharpness": sharpness,
    "posterize": posterize,
    "solarize": solarize,
    "autocontrast": autocontrast,
    "equalize": equalize,
}

OPERATIONS = ("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", *_COLOURS)
