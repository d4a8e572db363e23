"""From features to probabilities, outside the graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["linear_scores", "softmax"]

Float32 = npt.NDArray[np.float32]


def linear_scores(features: Float32, weight: Float32, bias: Float32) -> Float32:
    """Return scores [B, C] of features [B, D] under a head of weight [C, D] and bias [C], all float32."""
    scores: Float32 = features @ weight.T + bias
    return scores


def softmax(scores: Float32) -> Float32:
    """Return probabilities float32 [B, C] of scores [B, C]; rows sum to 1, large scores do not overflow."""
    if scores.size == 0:
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Float32 = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
