"""Everything random about a step, drawn at once from the seed and the step.

A resumed run draws the same as one that was not stopped, and each of several processes draws the same as the others:
it takes its rows of the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from edgecl.pretraining.operations import Drawn, draw_operations
from edgecl.pretraining.views import draw_views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.pretraining.config import AugmentationConfig

MIXUP_BETA = 0.8
"""Both parameters of the distribution of a blend (Touvron et al. 2021)."""

ERASED_AREA = (0.02, 1 / 3)
ERASED_STRETCH = 0.3
"""Area and least ratio of the sides of what is erased (Zhong et al. 2020)."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """A rectangle per image in pixels, [B, 4] int64: left, top, right, bottom; empty where it has no area."""

    edges: Tensor

    def inside(self, side: int) -> Tensor:
        """Return which pixels lie inside, bool [B, 1, side, side]."""
        left, top, right, bottom = self.edges[:, :, None].unbind(1)
        place = torch.arange(side, device=self.edges.device)
        columns, rows = (place >= left) & (place < right), (place >= top) & (place < bottom)
        return (rows[:, :, None] & columns[:, None, :])[:, None]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What happens to the B images of a step.

    Attributes:
        rows: Which images they are, [B] int64.
        views: How each is cropped, mirrored and moved, [B, 2, 3].
        drawn: The operation of each.
        erased: What is erased of each.
        erased_colours: What it is filled with, [B, 3].
        partners: Which image of the batch each is mixed with, [B] int64.
        mixed: Where the partner enters.
        mixed_weights: Its weight there, [B]: 1 for a paste, less for a blend.
        kept: Patches that are seen, [B, K] int64; None for all.
    """

    rows: Tensor
    views: Tensor
    drawn: Drawn
    erased: Boxes
    erased_colours: Tensor
    partners: NDArray[np.int64]
    mixed: Boxes
    mixed_weights: Tensor
    kept: Tensor | None

    @classmethod
    def draw(
        cls,
        rows: NDArray[np.int64],
        *,
        config: AugmentationConfig,
        size: int,
        patches: int,
        kept: int,
        random: np.random.Generator,
    ) -> BatchPlan:
        """Return a plan for the images `rows` of `size` pixels; all patches are seen where `kept` is their number."""
        count = len(rows)
        drawn = draw_operations(count, config.trivial, random)
        mixed, weights = _draw_mixed(count, config, size, random)
        return cls(
            rows=torch.from_numpy(rows),
            views=draw_views(drawn, config, random),
            drawn=drawn,
            erased=_draw_erased(count, config, size, random),
            erased_colours=torch.from_numpy(random.random((count, 3), dtype=np.float32)),
            partners=random.permutation(count),
            mixed=mixed,
            mixed_weights=weights,
            kept=None if kept >= patches else _draw_kept(count, patches, kept, random),
        )

    def at(self, positions: NDArray[np.int64], device: torch.device) -> BatchPlan:
        """Return what happens to some of the images, on a device; partners keep their positions in the whole batch."""
        places = torch.from_numpy(positions)

        def moved(tensor: Tensor) -> Tensor:
            return tensor[places].to(device)

        return BatchPlan(
            rows=moved(self.rows),
            views=moved(self.views),
            drawn=Drawn(self.drawn.operations[positions], self.drawn.strengths[positions]),
            erased=Boxes(moved(self.erased.edges)),
            erased_colours=moved(self.erased_colours),
            partners=self.partners[positions],
            mixed=Boxes(moved(self.mixed.edges)),
            mixed_weights=moved(self.mixed_weights),
            kept=None if self.kept is None else moved(self.kept),
        )


def _draw_mixed(
    count: int, config: AugmentationConfig, size: int, random: np.random.Generator
) -> tuple[Boxes, Tensor]:
    """Return where the partners enter and by what weight: blended everywhere (Mixup), or pasted (CutMix)."""
    kind, blend = random.random(count), random.beta(MIXUP_BETA, MIXUP_BETA, count)
    is_blended = kind < config.mixup
    is_pasted = ~is_blended & (kind < config.mixup + config.cutmix)
    side = size * np.sqrt(random.random(count))
    edges = _boxes(np.stack([side, side], axis=1), size, random)
    edges[is_blended] = (0, 0, size, size)
    weights = np.where(is_blended, blend, 1.0) * (is_blended | is_pasted)
    return Boxes(torch.from_numpy(edges)), torch.from_numpy(weights.astype(np.float32))


def _draw_erased(count: int, config: AugmentationConfig, size: int, random: np.random.Generator) -> Boxes:
    area = random.uniform(*ERASED_AREA, count)
    stretch = np.exp(random.uniform(-1, 1, count) * -np.log(ERASED_STRETCH) / 2)
    sides = size * np.sqrt(area)[:, None] * np.stack([stretch, 1 / stretch], axis=1)
    edges = _boxes(np.minimum(sides, size), size, random)
    edges[random.random(count) >= config.erase] = 0
    return Boxes(torch.from_numpy(edges))


def _boxes(sides: NDArray[np.float64], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return rectangles with these sides [B, 2] somewhere inside the image, [B, 4]."""
    whole = sides.round().astype(np.int64)
    start = random.integers(0, size - whole, endpoint=True)
    return np.concatenate([start, start + whole], axis=1)


def _draw_kept(count: int, patches: int, kept: int, random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.random((count, patches)).argsort(axis=1)[:, :kept].copy())
