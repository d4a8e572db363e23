from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl.pretraining.config import AugmentationConfig
from edgecl.pretraining.plan import BatchPlan, Boxes

NOTHING = AugmentationConfig(crop=0, mirror=0, trivial=0, erase=0, mixup=0, cutmix=0)
CPU = torch.device("cpu")


def draw(
    config: AugmentationConfig = NOTHING, *, count: int = 64, kept: int = 16, seed: int = 0
) -> BatchPlan:
    return BatchPlan.draw(
        np.arange(count), config=config, size=16, patches=16, kept=kept, random=np.random.default_rng(seed)
    )


def test_the_same_random_numbers_give_the_same_plan() -> None:
    one, other, third = (draw(AugmentationConfig(), kept=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.views, other.views)
    assert torch.equal(one.mixed.edges, other.mixed.edges)
    assert one.kept is not None
    assert other.kept is not None
    assert torch.equal(one.kept, other.kept)
    assert not torch.equal(one.views, third.views)


def test_at_shares_of_zero_nothing_is_erased_or_mixed() -> None:
    plan = draw()
    assert not plan.erased.inside(16).any()
    assert not plan.mixed_weights.any()


def test_at_a_share_of_one_everything_is_erased_somewhere() -> None:
    erased = draw(AugmentationConfig(erase=1)).erased.inside(16).flatten(1).float().mean(dim=1)
    assert erased.min() > 0
    assert erased.max() < 0.5


def test_blends_reach_everywhere_and_pastes_a_rectangle() -> None:
    blended = draw(AugmentationConfig(mixup=1, cutmix=0))
    pasted = draw(AugmentationConfig(mixup=0, cutmix=1))
    assert blended.mixed.inside(16).all()
    assert 0 < blended.mixed_weights.min() < blended.mixed_weights.max() < 1
    assert (pasted.mixed_weights == 1).all()
    assert 0.2 < pasted.mixed.inside(16).float().mean() < 0.8


def test_all_patches_are_seen_where_none_is_dropped() -> None:
    assert draw(kept=16).kept is None


def test_patches_that_are_kept_are_different_ones_of_each_image() -> None:
    kept = draw(kept=5).kept
    assert kept is not None
    assert kept.shape == (64, 5)
    assert all(len(set(row)) == 5 for row in kept.tolist())
    assert len({tuple(row) for row in kept.tolist()}) > 50
    assert (int(kept.min()), int(kept.max())) == (0, 15)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 16), st.integers(0, 16))
def test_a_box_holds_the_pixels_between_its_edges(left: int, top: int, width: int, height: int) -> None:
    right, bottom = min(16, left + width), min(16, top + height)
    inside = Boxes(torch.tensor([[left, top, right, bottom]])).inside(16)[0, 0]
    expected = torch.zeros(16, 16, dtype=torch.bool)
    expected[top:bottom, left:right] = True
    assert torch.equal(inside, expected)


def test_a_part_of_a_plan_holds_what_happens_to_its_images() -> None:
    plan = draw(AugmentationConfig(), kept=4)
    part = plan.at(np.array([5, 2]), CPU)
    assert part.rows.tolist() == [5, 2]
    assert torch.equal(part.views, plan.views[[5, 2]])
    assert part.partners.tolist() == plan.partners[[5, 2]].tolist()
    assert part.drawn.operations.tolist() == plan.drawn.operations[[5, 2]].tolist()
