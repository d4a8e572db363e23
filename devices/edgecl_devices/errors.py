"""What can go wrong with a device profile.

DeviceProfileError
├── UnknownProfileError    no profile has this name: choose one of those listed
├── ProfileFileError       a file of your own cannot be read: name another one
└── ProfileFormatError     the profile's file is not as it must be: mend the file
"""

from __future__ import annotations


class DeviceProfileError(Exception):
    """A device profile cannot be used."""

    exit_code = 2


class UnknownProfileError(DeviceProfileError):
    """No profile has this name."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        super().__init__(
            f"device profile {name!r} does not exist. Choose one of: {', '.join(known)}; "
            "or name a file of your own, such as ./board.toml"
        )
        self.name, self.known = name, known


class ProfileFileError(DeviceProfileError):
    """The file of a profile cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"device profile {path}: cannot be read ({problem}). Name a TOML file that exists")
        self.path, self.problem = path, problem


class ProfileFormatError(DeviceProfileError):
    """The file of a profile does not hold a profile."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"device profile {name}.toml: {problem}")
        self.name, self.problem = name, problem
