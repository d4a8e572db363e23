"""Which rows of a large set stand for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """Return the positions of `most` of `count` rows, evenly spaced from the first on; of all where there are fewer."""
    taken = min(count, most)
    return np.arange(taken, dtype=np.int64) * count // taken
