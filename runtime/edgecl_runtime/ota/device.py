"""Who asks for updates."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Device"]


@dataclass(frozen=True, slots=True)
class Device:
    """Who asks.

    Attributes:
        device_id: Places the device in a rollout; None takes only what is for everybody.
        device_class: The kind of hardware; packs for another one do not fit.
        tasks: The tasks that are wanted, or None for all.
        line: The line of backbones that is followed.
    """

    device_id: str | None = None
    device_class: str | None = None
    tasks: frozenset[str] | None = None
    line: str = "default"
