"""Settings that ship: one file for each way to learn that this project can be asked for by name."""

from __future__ import annotations

from edgecl.errors import ConfigError
from edgecl.shipped import shipped_names, shipped_text

__all__ = ["arm_names", "arm_summary", "read_arm"]


def arm_names() -> tuple[str, ...]:
    """Return the names of the arms, sorted."""
    return shipped_names(__name__)


def arm_summary(name: str) -> str:
    """Return the sentence that an arm begins with: its first comment line.

    Raises:
        ConfigError: There is none of this name.
    """
    return read_arm(name).partition("\n")[0].removeprefix("# ")


def read_arm(name: str) -> str:
    """Return the settings of an arm, TOML.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in arm_names():
        raise ConfigError(f"--method: found {name!r}, expected one of {', '.join(arm_names())}")
    return shipped_text(__name__, name)
