"""How long a transfer may take, and how many bytes it may move."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgecl_runtime.errors import QuotaError

__all__ = ["ByteBudget", "Deadline", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The patience of a device.

    Attributes:
        min_rate: Bytes per second below which a transfer has failed.
        grace_s: Seconds on top of what the minimum rate allows: for connecting, waiting and trying again.
        silence_s: Seconds without a single byte after which a connection is given up.
        tries: Tries in a row that may bring nothing new.
    """

    min_rate: float = 1024.0
    grace_s: float = 60.0
    silence_s: float = 20.0
    tries: int = 3


class Deadline:
    """The moment by which a transfer must be done: the grace period, and the time that its bytes may take.

    It moves with the bytes that have come, so that a transfer which stays below the minimum rate ends when it
    is a grace period behind, and one of L bytes after `grace_s + L / min_rate` at the latest.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.received = 0
        self._clock = clock
        self._start = clock()

    def note(self, count: int) -> None:
        """Take account of `count` bytes that have come."""
        self.received += count

    def remaining_s(self) -> float:
        """Return the seconds that are left, 0 or less when it has passed."""
        allowed = self.limits.grace_s + self.received / self.limits.min_rate
        return self._start + allowed - self._clock()


class ByteBudget:
    """The payload bytes that may still be moved, for instance today; `left` counts down."""

    def __init__(self, left: int) -> None:
        self.left = left

    def check(self, where: str, needed: int) -> None:
        """Do nothing if there is enough left for a file.

        Raises:
            QuotaError: there is not; the reason is "byte-budget".
        """
        if needed > self.left:
            raise QuotaError(
                where,
                found=f"{max(self.left, 0)} bytes left in the byte budget",
                expected=f"{needed} bytes",
                reason="byte-budget",
                advice="It is fetched when the budget starts anew, or with a higher one.",
            )

    def take(self, where: str, count: int) -> None:
        """Count bytes that have come.

        Raises:
            QuotaError: they were more than was left, because a server made the device fetch some twice.
        """
        self.left -= count
        self.check(where, 0)
