from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.pretraining.config import AugmentationConfig
from edgecl.pretraining.operations import draw_operations
from edgecl.pretraining.views import draw_views, seen_through
from tests.edgecl.pretraining.factories import drawn, random_images

PLAIN = AugmentationConfig(crop=0, mirror=0, trivial=0, erase=0, mixup=0, cutmix=0)
MIRRORED = AugmentationConfig(crop=0, mirror=1, trivial=0)
IDENTITY = torch.eye(3)[:2].expand(2, 2, 3)


def views(name: str = "identity", config: AugmentationConfig = PLAIN, strength: float = 0.5) -> torch.Tensor:
    return draw_views(drawn(name, strength=strength), config, np.random.default_rng(0))


def test_nothing_drawn_is_the_identity() -> None:
    assert torch.equal(views(), IDENTITY)


def test_a_crop_of_the_whole_area_is_the_identity() -> None:
    assert torch.equal(views(config=AugmentationConfig(least_area=1.0, mirror=0)), IDENTITY)


@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_moves_of_strength_zero_are_the_identity(name: str) -> None:
    torch.testing.assert_close(views(name, strength=0.0), IDENTITY)


@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_moves_move(name: str) -> None:
    images = random_images()
    assert (seen_through(images, views(name), 16) - images).abs().max() > 0.1


def test_the_identity_gives_the_same_pixels() -> None:
    images = random_images()
    torch.testing.assert_close(seen_through(images, IDENTITY, 16), images)


def test_a_mirror_swaps_left_and_right() -> None:
    images = random_images()
    torch.testing.assert_close(seen_through(images, views(config=MIRRORED), 16), images.flip(3))


def test_a_shift_to_the_right_shows_what_lay_a_quarter_further() -> None:
    images = random_images()
    shifted = seen_through(images, views("translate_x", strength=1.0), 16)
    torch.testing.assert_close(shifted[..., :12], images[..., 4:])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20), st.floats(0.1, 1.0))
def test_a_crop_lies_inside_the_image(seed: int, area: float) -> None:
    config, random = AugmentationConfig(least_area=area, trivial=0), np.random.default_rng(seed)
    maps = draw_views(draw_operations(8, 0.0, random), config, random)
    corners = torch.tensor([[-1, -1, 1], [1, 1, 1], [-1, 1, 1], [1, -1, 1]]).float()
    assert (maps @ corners.T).abs().max() <= 1 + 1e-6
    assert (maps[:, 0, 0] * maps[:, 1, 1]).abs().min() >= area - 1e-6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20))
def test_views_keep_shapes_and_range(seed: int) -> None:
    random = np.random.default_rng(seed)
    maps = draw_views(draw_operations(4, 1.0, random), AugmentationConfig(), random)
    seen = seen_through(random_images(4), maps, 8)
    assert seen.shape == (4, 3, 8, 8)
    assert 0 <= seen.min() <= seen.max() <= 1
