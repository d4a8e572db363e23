from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from edgecl.pretraining.operations import OPERATIONS, STRONGEST, draw_operations, recoloured
from tests.edgecl.pretraining.factories import drawn, random_images

COLOURS = OPERATIONS[6:]
WITHOUT_STRENGTH = ("autocontrast", "equalize")
STRENGTH = 0.5
FACTOR = 1 + STRONGEST * STRENGTH

PILLOW: dict[str, Callable[[Image.Image], Image.Image]] = {
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(FACTOR),
    "saturation": lambda image: ImageEnhance.Color(image).enhance(FACTOR),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(FACTOR),
    "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(FACTOR),
    "posterize": lambda image: ImageOps.posterize(image, 5),
    "solarize": lambda image: ImageOps.solarize(image, 128),
    "autocontrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize,
}
"""Pillow rounds and cuts off to whole levels on the way: a level or two is what may differ."""


def by_pillow(name: str, images: Tensor) -> Tensor:
    pixels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    changed = [np.asarray(PILLOW[name](Image.fromarray(image))) for image in pixels]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("name", COLOURS)
def test_operations_are_those_of_pillow(name: str) -> None:
    images = random_images()
    changed = recoloured(images, drawn(name, strength=STRENGTH))
    assert not torch.equal(changed, images)
    torch.testing.assert_close(changed, by_pillow(name, images), rtol=0, atol=2.1 / 255)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in WITHOUT_STRENGTH])
def test_at_strength_zero_an_image_stays_as_it_is(name: str) -> None:
    images = random_images()
    torch.testing.assert_close(recoloured(images, drawn(name, strength=0.0)), images)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(OPERATIONS), st.floats(-1, 1), st.integers(0, 5))
def test_images_stay_between_zero_and_one(name: str, strength: float, seed: int) -> None:
    changed = recoloured(random_images(seed=seed), drawn(name, strength=strength))
    assert changed.shape == (2, 3, 16, 16)
    assert 0 <= changed.min() <= changed.max() <= 1


@pytest.mark.parametrize("name", COLOURS)
def test_an_image_of_one_colour_is_not_lost(name: str) -> None:
    flat = torch.full((2, 3, 4, 4), 100 / 255)
    assert torch.isfinite(recoloured(flat, drawn(name))).all()


def test_an_operation_touches_its_own_images_only() -> None:
    images, chosen = random_images(), drawn("brightness")
    chosen.operations[0] = 0
    changed = recoloured(images, chosen)
    assert torch.equal(changed[0], images[0])
    assert not torch.equal(changed[1], images[1])


def test_a_share_of_zero_draws_the_identity_only() -> None:
    assert not draw_operations(100, 0.0, np.random.default_rng(0)).operations.any()


def test_a_share_of_one_draws_every_operation() -> None:
    operations = draw_operations(500, 1.0, np.random.default_rng(0)).operations
    assert set(operations.tolist()) == set(range(len(OPERATIONS)))
