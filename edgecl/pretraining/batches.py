"""From a plan to the tensors of a step: images cropped, changed, erased and mixed, and what is to be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, one_hot

from edgecl.pretraining.operations import recoloured
from edgecl.pretraining.student import as_input, pick
from edgecl.pretraining.views import seen_through

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.pretraining.images import Images
    from edgecl.pretraining.plan import BatchPlan
    from edgecl.pretraining.teacher import TeacherFeatures


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step is to learn.

    Attributes:
        labels: Weight of each class, [B, C].
        pooled: Standardised class token of the teacher, [B, D]; None without a teacher.
        tokens: Its patch tokens at the patches that are seen, [B, K, D]; None where they are not learned.
    """

    labels: Tensor
    pooled: Tensor | None
    tokens: Tensor | None


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of a step [B, 3, S, S], the patches that are seen [B, K] (None for all), and what is to be learned."""

    pixels: Tensor
    kept: Tensor | None
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class _Mix:
    """How images become their mixtures: positions of both [B], and the weight of the other [B, 1, S, S]."""

    mine: Tensor
    other: Tensor
    weight: Tensor

    def of_maps(self, maps: Tensor) -> Tensor:
        """Return mixed maps [B, C, H, W] of [N, C, H, W]; H divides S."""
        weight = avg_pool2d(self.weight, self.weight.shape[-1] // maps.shape[-1])
        return torch.lerp(maps[self.mine], maps[self.other], weight)

    def of_rows(self, rows: Tensor) -> Tensor:
        """Return mixed rows [B, C] of [N, C], by the part of the image that is the other's."""
        return torch.lerp(rows[self.mine], rows[self.other], self.weight.mean(dim=(1, 2, 3))[:, None])


class Material:
    """The training images, and the teacher's features of them, where the student is trained."""

    def __init__(
        self,
        images: Images,
        *,
        classes: int,
        grid: int,
        teacher: TeacherFeatures | None,
        learns_tokens: bool,
        device: torch.device,
    ) -> None:
        """Move the images to the device.

        Args:
            images: Training images.
            classes: Number of classes.
            grid: Patches along a side of the student.
            teacher: Features of the same images; None to learn labels only.
            learns_tokens: Whether the teacher's patch tokens are asked for; they cost more than its class token.
            device: Where the student is.
        """
        self._pixels = torch.from_numpy(images.pixels).to(device)
        self._labels = torch.from_numpy(images.labels).to(device)
        self._classes, self._grid, self._device = classes, grid, device
        self._teacher, self._learns_tokens = teacher, learns_tokens

    def batch(self, plan: BatchPlan, own: NDArray[np.int64]) -> Batch:
        """Return the images at the positions `own` of a plan, mixed with their partners."""
        needed, places = np.unique(np.concatenate([own, plan.partners[own]]), return_inverse=True)
        mine, other = (torch.from_numpy(part).to(self._device) for part in np.split(places, 2))
        seen, mixed = plan.at(needed, self._device), plan.at(own, self._device)
        pixels = self._changed(seen)
        inside = mixed.mixed.inside(pixels.shape[-1])
        mix = _Mix(mine, other, inside * mixed.mixed_weights.view(-1, 1, 1, 1))
        labels = one_hot(self._labels[seen.rows], self._classes).float()
        pooled, tokens = self._taught(seen, mix, mixed.kept)
        return Batch(as_input(mix.of_maps(pixels)), mixed.kept, Wanted(mix.of_rows(labels), pooled, tokens))

    def _changed(self, plan: BatchPlan) -> Tensor:
        """Return images from 0 to 1 [B, 3, S, S] as they are before they are mixed."""
        images = self._pixels[plan.rows].permute(0, 3, 1, 2).float() / 255
        images = recoloured(seen_through(images, plan.views, images.shape[-1]), plan.drawn)
        return torch.where(
            plan.erased.inside(images.shape[-1]), plan.erased_colours[:, :, None, None], images
        )

    def _taught(self, plan: BatchPlan, mix: _Mix, kept: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Return what the teacher saw through the same views, mixed in the same way."""
        if self._teacher is None:
            return None, None
        pooled = mix.of_rows(self._teacher.pooled(plan.rows))
        if not self._learns_tokens:
            return pooled, None
        maps = mix.of_maps(seen_through(self._teacher.maps(plan.rows), plan.views, self._grid))
        tokens = maps.flatten(2).transpose(1, 2)
        return pooled, tokens if kept is None else pick(tokens, kept)
