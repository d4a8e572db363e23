"""Random crops, mirrors, turns and shears as one affine map per image, so that an image is resampled once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from edgecl.pretraining.operations import OPERATIONS, Drawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.pretraining.config import AugmentationConfig

STRETCH = 4 / 3
"""Largest ratio of the sides of a crop (Szegedy et al. 2015)."""

SHEAR, SHIFT, TURN = 0.99, 0.5, math.radians(135)
"""TrivialAugment's wide ranges; a shift in half sides of the image."""


def draw_views(drawn: Drawn, config: AugmentationConfig, random: np.random.Generator) -> Tensor:
    """Return affine maps, float32 [B, 2, 3], from places in the result, -1 to 1, to places in the image.

    Args:
        drawn: The operation of each image; those that move pixels become part of its map.
        config: How many images are cropped and mirrored.
        random: What is drawn from.
    """
    count = len(drawn.operations)
    mirror = _plain(count)
    mirror[:, 0, 0] = np.where(random.random(count) < config.mirror, -1.0, 1.0)
    maps = _crops(count, config, random) @ mirror @ _moves(drawn)
    return torch.from_numpy(maps[:, :2].astype(np.float32))


def seen_through(images: Tensor, views: Tensor, side: int) -> Tensor:
    """Return images [B, C, H, W] resampled through `views` [B, 2, 3] at [B, C, side, side]; borders are continued."""
    grid = affine_grid(views, [len(images), 1, side, side], align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _crops(count: int, config: AugmentationConfig, random: np.random.Generator) -> NDArray[np.float64]:
    """Return maps [B, 3, 3] to a part of each image of random area, shape and place."""
    area = random.uniform(config.least_area, 1, count)
    longest = np.minimum(math.log(STRETCH), -np.log(area))  # a longer one would not fit into the image
    stretch = np.exp(random.uniform(-1, 1, count) * longest / 2)
    sides = np.sqrt(area)[:, None] * np.stack([stretch, 1 / stretch], axis=1)
    sides[random.random(count) >= config.crop] = 1
    maps = _plain(count)
    maps[:, [0, 1], [0, 1]] = sides
    maps[:, :2, 2] = (1 - sides) * random.uniform(-1, 1, (count, 2))
    return maps


def _moves(drawn: Drawn) -> NDArray[np.float64]:
    """Return maps [B, 3, 3] of the operations that move pixels; of the others the identity."""
    maps = _plain(len(drawn.operations))
    for name, (row, column, most) in _ENTRIES.items():
        hit = drawn.operations == OPERATIONS.index(name)
        maps[hit, row, column] = most * drawn.strengths[hit]
    turned = drawn.operations == OPERATIONS.index("rotate")
    angle = TURN * drawn.strengths[turned]
    maps[turned, 0, 0] = maps[turned, 1, 1] = np.cos(angle)
    maps[turned, 0, 1], maps[turned, 1, 0] = -np.sin(angle), np.sin(angle)
    return maps


_ENTRIES = {
    "shear_x": (0, 1, SHEAR),
    "shear_y": (1, 0, SHEAR),
    "translate_x": (0, 2, SHIFT),
    "translate_y": (1, 2, SHIFT),
}


def _plain(count: int) -> NDArray[np.float64]:
    return np.tile(np.eye(3), (count, 1, 1))
