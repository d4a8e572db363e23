"""Whether to try again after a failure, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edgecl_runtime.errors import TransferError
from edgecl_runtime.ota.limits import Deadline

__all__ = ["Tries", "backoff_s"]

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 300.0
# The next poll may find these mended, the next second will not.
_FINAL_FOR_NOW: Final = frozenset({"captive-portal", "deadline", "encoding", "range", "redirect", "tls"})


def backoff_s(
    attempt: int, *, retry_after_s: float | None = None, draw: Callable[[], float] = random.random
) -> float:
    """Return the seconds to wait after the failure number `attempt` (0 for the first).

    It is drawn evenly from 0 to 1 s, 2 s, 4 s ... 300 s, so that devices that failed together come back apart.
    What a server asked for is waited for, and half as much again is drawn on top.
    """
    if retry_after_s is not None:
        return retry_after_s * (1 + draw() / 2)
    return draw() * min(_FIRST_WAIT_S * 2.0 ** min(attempt, 32), _LONGEST_WAIT_S)


@dataclass
class Tries:
    """Counts the tries in a row that brought nothing new, and waits between them."""

    deadline: Deadline
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    failures: int = field(default=0, init=False)

    def after(self, error: TransferError) -> None:
        """Wait before the next try.

        Raises:
            TransferError: `error`, if there is to be none: it is final, was the last, or the deadline would pass.
        """
        wait_s = backoff_s(self.failures, retry_after_s=error.retry_after_s, draw=self.draw)
        self.failures += 1
        if (
            not error.retryable
            or error.reason in _FINAL_FOR_NOW
            or self.failures >= self.deadline.limits.tries
            or wait_s >= self.deadline.remaining_s()
        ):
            raise error
        self.sleep(wait_s)

    def note_progress(self) -> None:
        """Begin to count anew."""
        self.failures = 0
