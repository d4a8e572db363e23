"""Keeps the embedding of a task near the place that measured similarity gave it, while the task is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgecl.generators import decoder_loss, distance_loss, guidance_weight, paper_loss
from edgecl.similarity import Placement, place, random_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecl.config import GeneratorConfig
    from edgecl.methods.base import NewTask


class EmbeddingGuide:
    """The guidance of one task.

    Attributes:
        placement: Where the embedding starts and is held.
    """

    def __init__(
        self,
        task: NewTask,
        anchors: Tensor,
        config: GeneratorConfig,
        *,
        encode: Callable[[Tensor], Tensor],
        decoder: nn.Module | None,
    ) -> None:
        """Place a task among earlier ones.

        Args:
            task: With its relations to J earlier tasks, which are reliable.
            anchors: Their embeddings [J, E].
            config: How the embedding is guided.
            encode: What the network sees of embeddings [T, E], [T, F].
            decoder: From what the network sees to embeddings, for the modes that decode.
        """
        if task.relations is None or not task.relations.reliable:
            raise ValueError("a task without reliable relations cannot be guided")
        distances = torch.tensor(tuple(task.relations.distances.values()), dtype=torch.float64)
        # Fitted, as published, it shrinks with every task until all of them lie in one place.
        gamma = None if config.guidance == "paper" else random_distance(anchors.shape[1])
        self.placement: Placement = place(
            anchors.double().cpu().numpy(), distances.numpy(), reliable=True, seed=task.seed, gamma=gamma
        )
        self._anchors, self._distances = anchors, distances.float()
        self._guide = torch.from_numpy(self.placement.embedding).float()
        self._config, self._steps, self._known = config, task.steps, task.known
        self._encode, self._decoder = encode, decoder

    def loss(self, embedding: Tensor, step: int) -> Tensor | None:
        """Return the weighted guidance of an embedding [E] at a step; None where it has no weight."""
        weight = guidance_weight(
            self._known,
            progress=step / max(1, self._steps),
            per_task=self._config.guidance_weight,
            fade=self._config.guidance_fade,
        )
        if weight == 0:
            return None
        return weight * self._unweighted(embedding)

    def _unweighted(self, embedding: Tensor) -> Tensor:
        anchors, guide = self._anchors.to(embedding.device), self._guide.to(embedding.device)
        if self._config.guidance == "distance" or self._decoder is None:
            distances = self._distances.to(embedding.device)
            return distance_loss(embedding, anchors, distances, gamma=self.placement.gamma)
        encoded = self._encode(embedding[None])[0]
        if self._config.guidance == "paper":
            return paper_loss(self._decoder, encoded, guide)
        return decoder_loss(self._decoder, encoded, guide, earlier=self._encode(anchors), anchors=anchors)
