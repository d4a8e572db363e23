from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.pretraining.batches import Batch, Material
from edgecl.pretraining.config import AugmentationConfig
from edgecl.pretraining.plan import BatchPlan, Boxes
from edgecl.pretraining.student import as_input
from edgecl.pretraining.teacher import TeacherFeatures
from tests.edgecl.pretraining.factories import make_images

CPU = torch.device("cpu")
COUNT, GRID = 12, 4
EVERYTHING = np.arange(COUNT)
NOTHING = AugmentationConfig(crop=0, mirror=0, trivial=0, erase=0, mixup=0, cutmix=0)
MIRRORED = AugmentationConfig(crop=0, mirror=1, trivial=0, erase=0, mixup=0, cutmix=0)
IMAGES = make_images(COUNT)
FEATURES = torch.randn(COUNT, 1 + GRID**2, 5, generator=torch.Generator().manual_seed(0)).half()
PLAIN = as_input(torch.from_numpy(IMAGES.pixels).permute(0, 3, 1, 2) / 255)


def material(*, teacher: bool = True, tokens: bool = True) -> Material:
    features = TeacherFeatures(FEATURES) if teacher else None
    return Material(IMAGES, classes=3, grid=GRID, teacher=features, learns_tokens=tokens, device=CPU)


def plan(config: AugmentationConfig = NOTHING, *, kept: int = GRID**2, seed: int = 0) -> BatchPlan:
    random = np.random.default_rng(seed)
    return BatchPlan.draw(EVERYTHING, config=config, size=16, patches=GRID**2, kept=kept, random=random)


def assert_same_rows(part: Batch, whole: Batch, rows: np.ndarray) -> None:
    torch.testing.assert_close(part.pixels, whole.pixels[rows])
    torch.testing.assert_close(part.wanted.labels, whole.wanted.labels[rows])
    assert part.wanted.tokens is not None
    assert whole.wanted.tokens is not None
    torch.testing.assert_close(part.wanted.tokens, whole.wanted.tokens[rows])


def test_without_augmentation_images_and_labels_are_those_of_the_set() -> None:
    batch = material(teacher=False).batch(plan(), EVERYTHING)
    torch.testing.assert_close(batch.pixels, PLAIN)
    assert batch.wanted.labels.argmax(dim=1).tolist() == IMAGES.labels.tolist()
    assert (batch.kept, batch.wanted.pooled, batch.wanted.tokens) == (None, None, None)


def test_without_augmentation_the_teacher_says_what_it_said() -> None:
    wanted = material().batch(plan(), EVERYTHING).wanted
    assert wanted.pooled is not None
    assert wanted.tokens is not None
    standard = TeacherFeatures(FEATURES)
    torch.testing.assert_close(wanted.pooled, standard.pooled(torch.arange(COUNT)))
    expected = standard.maps(torch.arange(COUNT)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(wanted.tokens, expected, rtol=0, atol=1e-5)


def test_patch_tokens_that_are_not_learned_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(TeacherFeatures, "maps")
    wanted = material(tokens=False).batch(plan(), EVERYTHING).wanted
    assert wanted.pooled is not None
    assert wanted.tokens is None


def test_a_mirrored_image_has_a_mirrored_teacher() -> None:
    wanted = material().batch(plan(MIRRORED), EVERYTHING).wanted
    assert wanted.tokens is not None
    maps = TeacherFeatures(FEATURES).maps(torch.arange(COUNT)).flip(3)
    torch.testing.assert_close(wanted.tokens, maps.flatten(2).transpose(1, 2), rtol=0, atol=1e-5)


def test_teacher_tokens_are_those_of_the_kept_patches() -> None:
    chosen = plan(kept=3)
    some, every = (material().batch(each, EVERYTHING) for each in (chosen, replace(chosen, kept=None)))
    assert some.kept is not None
    assert some.wanted.tokens is not None
    assert every.wanted.tokens is not None
    assert torch.equal(some.wanted.tokens[1], every.wanted.tokens[1][some.kept[1]])


def test_a_paste_of_the_upper_half_is_half_of_both_labels() -> None:
    upper = Boxes(torch.tensor([[0, 0, 16, 8]]).expand(COUNT, 4))
    halves = replace(plan(), mixed=upper, mixed_weights=torch.ones(COUNT), partners=np.roll(EVERYTHING, 1))
    batch = material().batch(halves, EVERYTHING)
    torch.testing.assert_close(batch.pixels[1, :, :8], PLAIN[0, :, :8])
    torch.testing.assert_close(batch.pixels[1, :, 8:], PLAIN[1, :, 8:])
    torch.testing.assert_close(batch.wanted.labels[1], torch.tensor([0.5, 0.5, 0.0]))


def test_a_paste_brings_the_teacher_tokens_of_its_place() -> None:
    upper = Boxes(torch.tensor([[0, 0, 16, 8]]).expand(COUNT, 4))
    halves = replace(plan(), mixed=upper, mixed_weights=torch.ones(COUNT), partners=np.roll(EVERYTHING, 1))
    pasted, whole = (material().batch(each, EVERYTHING).wanted.tokens for each in (halves, plan()))
    assert pasted is not None
    assert whole is not None
    torch.testing.assert_close(pasted[1, :8], whole[0, :8])
    torch.testing.assert_close(pasted[1, 8:], whole[1, 8:])


def test_a_blend_is_the_same_blend_of_pixels_and_labels() -> None:
    everywhere = Boxes(torch.tensor([[0, 0, 16, 16]]).expand(COUNT, 4))
    quarter = replace(
        plan(), mixed=everywhere, mixed_weights=torch.full((COUNT,), 0.25), partners=np.roll(EVERYTHING, 1)
    )
    batch = material(teacher=False).batch(quarter, EVERYTHING)
    torch.testing.assert_close(batch.pixels[1], 0.75 * PLAIN[1] + 0.25 * PLAIN[0])
    torch.testing.assert_close(batch.wanted.labels[1], torch.tensor([0.25, 0.75, 0.0]))


def test_an_erased_rectangle_has_one_colour() -> None:
    corner = Boxes(torch.tensor([[0, 0, 4, 4]]).expand(COUNT, 4))
    batch = material(teacher=False).batch(replace(plan(), erased=corner), EVERYTHING)
    assert batch.pixels[:, :, :4, :4].flatten(2).std(dim=2).max() < 1e-6
    torch.testing.assert_close(batch.pixels[:, :, 4:], PLAIN[:, :, 4:])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 30), st.integers(1, 4))
def test_the_shares_of_several_processes_are_the_batch_of_one(seed: int, count: int) -> None:
    chosen = plan(AugmentationConfig(), kept=5, seed=seed)
    whole = material().batch(chosen, EVERYTHING)
    for rank in range(count):
        rows = EVERYTHING[rank::count]
        assert_same_rows(material().batch(chosen, rows), whole, rows)


@pytest.mark.parametrize("seed", range(3))
def test_all_augmentation_together_keeps_shapes_and_range(seed: int) -> None:
    batch = material().batch(plan(AugmentationConfig(erase=1.0), seed=seed), EVERYTHING)
    assert batch.pixels.shape == (COUNT, 3, 16, 16)
    assert batch.pixels.abs().max() <= 1
    torch.testing.assert_close(batch.wanted.labels.sum(dim=1), torch.ones(COUNT))
