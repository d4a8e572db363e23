"""The errors of the workstation.

    EdgeclError          1  anything below
    ├── ConfigError      2  options, a stream file or a recipe say something impossible: change them
    ├── DataError        2  the data set cannot be trained on as it is: mend it
    ├── BackboneError    1  the pretrained model cannot be used: choose another
    ├── NetworkError     4  a hub cannot be reached: try again
    ├── RunError         1  a training run cannot be started, continued or read
    └── ParityError      3  device and workstation do not compute the same: do not ship

The number is `exit_code`, what the command line ends with.
"""

from __future__ import annotations

from typing import ClassVar, Self


class EdgeclError(Exception):
    """Something the caller can act on; its message is made to be shown as it is."""

    exit_code: ClassVar[int] = 1

    @classmethod
    def at(cls, where: object, *, found: str, expected: str, fix: str) -> Self:
        """Return an error whose message has the three parts that a reader needs.

        Args:
            where: The file, table, line or task that is wrong.
            found: What is there.
            expected: What should be there.
            fix: What to do about it, a sentence.
        """
        return cls(f"{where}: found {found}, expected {expected}. {fix}")


class ConfigError(EdgeclError):
    """Options, a stream file or a recipe say something impossible."""

    exit_code = 2


class DataError(EdgeclError):
    """The data set cannot be trained on as it is."""

    exit_code = 2


class BackboneError(EdgeclError):
    """The pretrained model cannot be used."""


class NetworkError(EdgeclError):
    """A hub cannot be reached."""

    exit_code = 4


class RunError(EdgeclError):
    """A training run cannot be started, continued or read."""


class ParityError(EdgeclError):
    """Device and workstation do not compute the same."""

    exit_code = 3
