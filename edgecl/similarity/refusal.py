"""The answer that takes the place of a score."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no number is given: the data are sound, but what they could say is not a measurement.

    Attributes:
        reason: What was found, and what it takes; made to be shown as it is.
        least: The samples that it takes, where these were too few; else None.
    """

    reason: str
    least: int | None = None

    @classmethod
    def too_few(cls, found: str, *, least: int) -> Refusal:
        """Return the refusal of samples that were too few for a score."""
        return cls(f"{found}: it takes {least} samples, or use h_lwc", least)

    def for_an_error(self, fraction: float, *, classes: int) -> Refusal:
        """Return it with how many samples are enough for a standard error, from a fraction of each class."""
        if self.least is None:
            return self
        # A class gives the fraction of its samples, rounded: half a sample less at most.
        enough = math.ceil((self.least + 0.5 * classes) / fraction)
        return Refusal(
            f"{self.reason}. For the standard error, from subsamples of {100 * fraction:.0f} %, {enough} are enough"
        )
