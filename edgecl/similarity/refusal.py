"""The answer that takes the place of a score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no number is given: the data are sound, but what they could say is not a measurement.

    Attributes:
        reason: What was found, and what it takes; made to be shown as it is.
    """

    reason: str
