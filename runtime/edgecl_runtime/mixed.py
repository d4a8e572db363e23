"""A task per row: which rows run in one call, and what their heads say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgecl_runtime.active import Head
from edgecl_runtime.heads import linear_scores, softmax
from edgecl_runtime.pack import TaskPack
from edgecl_runtime.prediction import MixedPrediction

__all__ = ["answer_rows", "plan_calls"]

_Float32 = npt.NDArray[np.float32]
_Packs = Sequence[TaskPack | None]


def plan_calls(packs: _Packs, *, together: bool, most: int) -> Iterator[list[int]]:
    """Yield the rows of each call, at most `most` of them.

    Args:
        packs: The pack of each row, or None.
        together: Rows of different tasks share a call. It saves calls, and costs a copy of the tensors per row.
        most: How many rows a call may hold.
    """
    groups: Iterable[list[int]] = [list(range(len(packs)))] if together else _rows_by_pack(packs)
    for rows in groups:
        for start in range(0, len(rows), most):
            yield rows[start : start + most]


def answer_rows(features: _Float32, packs: _Packs, heads: Mapping[str, Head]) -> MixedPrediction:
    """Return the prediction of features float32 [B, D], the pack of each row, and the head of each task."""
    labels: list[str | None] = [None] * len(packs)
    probabilities = [np.empty(0, np.float32)] * len(packs)
    for rows in _rows_by_pack(packs):
        pack = packs[rows[0]]
        if pack is None:
            continue
        head = heads[pack.manifest.task]
        for row, found in zip(
            rows, softmax(linear_scores(features[rows], head.weight, head.bias)), strict=True
        ):
            labels[row] = pack.manifest.labels[found.argmax()]
            probabilities[row] = found
    return MixedPrediction(
        labels=tuple(labels),
        probabilities=tuple(probabilities),
        tasks=tuple(None if pack is None else pack.manifest.task for pack in packs),
        features=features,
        classes=tuple(() if pack is None else pack.manifest.labels for pack in packs),
    )


def _rows_by_pack(packs: _Packs) -> Iterable[list[int]]:
    groups: dict[str | None, list[int]] = {}
    for row, pack in enumerate(packs):
        groups.setdefault(None if pack is None else pack.manifest.header_sha256, []).append(row)
    return groups.values()
