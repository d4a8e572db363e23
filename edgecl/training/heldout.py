"""Held-out items that a run keeps, so that exports months later are checked on real inputs without the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A sample of a task's test items, prepared.

    Attributes:
        prepared: Images [S, S, 3] uint8, or token ids [n] int32.
        targets: [N] int64, the class of each. The gate compares outputs and needs none, but every reader of format 1
            refuses a file without them, so they stay until that number changes.
    """

    prepared: tuple[NDArray[np.generic], ...]
    targets: NDArray[np.int64]

    def encode(self) -> bytes:
        """Return what a file of the sample holds; items of different lengths are padded and their lengths kept."""
        lengths = np.array([len(item) for item in self.prepared], np.int32)
        padded = np.zeros((len(lengths), lengths.max(), *self.prepared[0].shape[1:]), self.prepared[0].dtype)
        for row, item in zip(padded, self.prepared, strict=True):
            row[: len(item)] = item
        return save({"items": padded, "lengths": lengths, "targets": self.targets})

    @classmethod
    def decode(cls, content: bytes) -> HeldOut:
        """Return the sample that a file holds.

        Raises:
            SafetensorError, KeyError, ValueError: The content is damaged.
        """
        stored = load(content)
        items, lengths, targets = stored["items"], stored["lengths"], stored["targets"]
        if not len(items) == len(lengths) == len(targets):
            raise ValueError(f"{len(items)} items, {len(lengths)} lengths, {len(targets)} targets")
        return cls(tuple(row[:length] for row, length in zip(items, lengths, strict=True)), targets)


def choose(
    prepared: Sequence[NDArray[np.generic]], targets: NDArray[np.int64], *, count: int, seed: int
) -> HeldOut:
    """Return a sample of at most `count` test items, the same for the same seed."""
    rows = np.sort(np.random.default_rng([seed, 1]).permutation(len(targets))[:count])
    return HeldOut(tuple(prepared[row] for row in rows), targets[rows])
