"""One thing that the doctor says about a machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["FINE", "MEND", "NOTE", "Finding"]

FINE, NOTE, MEND = "fine", "note", "mend"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands, and the line that mends it.

    Attributes:
        check: What was looked at, in one word.
        level: `FINE`, `NOTE` (works, but worth knowing) or `MEND` (does not work until mended).
        message: What was found, and what is needed.
        line: A command for a shell; "" where no command mends it.
    """

    check: str
    level: str
    message: str
    line: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the finding as one object."""
        return asdict(self)
