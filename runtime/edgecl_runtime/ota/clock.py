"""What time it is, on a device whose clock may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Protocol

from edgecl_runtime.errors import ClockError, FreezeError, UpdateError

__all__ = ["Clock", "SystemClock", "TrustedTime", "trusted_time"]

_EARLIEST: Final = datetime(2025, 1, 1, tzinfo=timezone.utc)
_DISAGREEMENT: Final = timedelta(hours=1)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the time, with its time zone."""


class SystemClock:
    """The clock of the device."""

    def now(self) -> datetime:
        """Return its time in UTC."""
        return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class TrustedTime:
    """The time against which expiry is checked; it stands still during an update.

    Attributes:
        now: The later one of the clock and the floor.
        clock: What the clock of the device says.
        floor: The latest time that was signed by somebody trusted, or None.
    """

    now: datetime
    clock: datetime
    floor: datetime | None

    def expired(self, where: str, *, server_time: datetime | None) -> UpdateError:
        """Return the error for metadata that has expired at this time.

        It is a ClockError where the clock alone says so and the server disagrees with it by more than an
        hour. Both errors refuse; the server's word, which nobody signed, only chooses the explanation.
        """
        is_clocks_word = self.floor is None or self.clock > self.floor
        if is_clocks_word and server_time is not None and self.now - server_time > _DISAGREEMENT:
            return ClockError(
                where,
                found=f"metadata that expired before {self.clock:%Y-%m-%d %H:%M} UTC, the time of this device",
                expected=f"the time of the server, {server_time:%Y-%m-%d %H:%M} UTC",
                reason="clock-ahead",
                advice="Set the clock of this device. If it is right, somebody shows it an old copy.",
            )
        return FreezeError(
            where, found="expired metadata", expected=f"one valid at {self.now:%Y-%m-%d %H:%M} UTC"
        )


def trusted_time(clock: datetime, floor: datetime | None) -> TrustedTime:
    """Return the time to check against: a clock that is behind what was signed is not believed.

    Raises:
        ClockError: nothing signed says how late it is at least, and the clock stands before any release of
            this software; expiry could not be checked.
    """
    clock = clock.astimezone(timezone.utc)
    if floor is None and clock < _EARLIEST:
        raise ClockError(
            "clock",
            found=f"{clock:%Y-%m-%d}",
            expected=f"{_EARLIEST:%Y-%m-%d} or later",
            reason="clock-unset",
        )
    return TrustedTime(clock if floor is None else max(clock, floor), clock, floor)
