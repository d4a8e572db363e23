"""Losses that pull a task's embedding to where measured similarity wants it.

After H-embedding guided hypernetworks ("Exploiting Task Relationships in Continual Learning via Transferability-Aware
Task Embeddings", Wu et al. 2025): an embedding is placed at distances from the earlier ones that follow from measured
transferability, and is kept near that place while its task is trained.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from edgecl.generators.output import new_linear

FIRST_GUIDED = 2


def guidance_weight(position: int, *, progress: float, per_task: float = 0.05, fade: bool = True) -> float:
    """Return the weight of the guidance: `per_task` for each earlier task, at most 1, fading in the second half.

    Args:
        position: How many tasks there are already; below 2 they say nothing about directions, and the weight is 0.
        progress: Done part of the task's training, from 0 to 1.
        per_task: Weight for each earlier task.
        fade: Without it the weight stays the same to the end, as published.
    """
    if position < FIRST_GUIDED:
        return 0.0
    left = min(1.0, 2 * (1 - progress)) if fade else 1.0
    return min(per_task * position, 1.0) * left


def distance_loss(embedding: Tensor, anchors: Tensor, distances: Tensor, *, gamma: float) -> Tensor:
    """Return `mean_n (|e - e_n| / gamma - d_n)² / d_n` [], by how much distances are not as they were measured.

    Args:
        embedding: The current task's e, [E].
        anchors: The embeddings e_n of J earlier tasks, [J, E].
        distances: Measured distances d_n, [J], positive.
        gamma: Length in embeddings of a measured distance of 1.
    """
    found: Tensor = torch.linalg.vector_norm(embedding - anchors, dim=-1) / gamma
    return ((found - distances).square() / distances).mean()


def shared_decoder(features: int, embedding: int, *, generator: torch.Generator) -> nn.Sequential:
    """Return the decoder that all tasks share, from encoded tasks [..., features] to embeddings [..., embedding]."""
    return nn.Sequential(
        new_linear(features, 64, generator=generator),
        nn.GELU(),
        new_linear(64, embedding, generator=generator),
    )


def fresh_decoder(features: int, embedding: int, *, generator: torch.Generator) -> nn.Sequential:
    """Return a decoder as published, to be made anew for each task, [..., features] to [..., embedding]."""
    return nn.Sequential(
        new_linear(features, 512, generator=generator),
        nn.ReLU(),
        new_linear(512, embedding, generator=generator),
    )


def decoder_loss(
    decoder: nn.Module, encoded: Tensor, guide: Tensor, *, earlier: Tensor, anchors: Tensor
) -> Tensor:
    """Return how badly all tasks are decoded from what the hypernetwork makes of them, [].

    `1 - cos(D(h) - m, e - m)` of the current task, plus its mean over the earlier tasks; m is the mean of their
    embeddings. A decoder that ignores its input cannot get it to zero: the earlier tasks lie on all sides of m.

    Args:
        decoder: D, of `shared_decoder`.
        encoded: The current task's h, [F].
        guide: Where its embedding is wanted, [E].
        earlier: The same of J earlier tasks, [J, F].
        anchors: Their embeddings, [J, E].

    Raises:
        ValueError: There are fewer than two earlier tasks: a single one is its own mean.
    """
    if len(anchors) < FIRST_GUIDED:
        raise ValueError(
            f"decoder_loss: {len(anchors)} earlier tasks, expected 2 or more; leave guidance out"
        )
    mean = anchors.mean(dim=0)
    current = 1 - cosine_similarity(decoder(encoded) - mean, guide - mean, dim=-1)
    others = 1 - cosine_similarity(decoder(earlier) - mean, anchors - mean, dim=-1)
    return current + others.mean()


def paper_loss(decoder: nn.Module, encoded: Tensor, guide: Tensor) -> Tensor:
    """Return `1 - cos(D(h), e)` [] as published, which a decoder that ignores its input can get to zero.

    Args:
        decoder: D, of `fresh_decoder`.
        encoded: The current task's h, [F].
        guide: Where its embedding is wanted, [E].
    """
    return 1 - cosine_similarity(decoder(encoded), guide, dim=-1)
