"""Errors of a signed repository.

EdgeclError
└── ExportError
    └── RepositoryError             1  the repository cannot be read or changed as asked
        ├── RepositoryBusyError     1  someone else is publishing: try again
        ├── MissingKeysError        1  keys of a role are not at hand: fetch them
        ├── SigningKeyError         1  a key is there, but cannot be used: its passphrase, its program
        ├── ReleaseRefusedError     3  a pack or bundle cannot be released as it is
        └── RepositoryTamperedError 5  a signature or hash of the published files is wrong: do not sign on top of it
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecl_export.errors import ExportError

__all__ = [
    "MissingKeysError",
    "ReleaseRefusedError",
    "RepositoryBusyError",
    "RepositoryError",
    "RepositoryTamperedError",
    "SigningKeyError",
]


class RepositoryError(ExportError):
    """The repository cannot be read, or not be changed as asked."""


class RepositoryBusyError(RepositoryError):
    """Another program is changing the repository."""


class SigningKeyError(RepositoryError):
    """A key is there, but cannot be used."""


class ReleaseRefusedError(RepositoryError):
    """A pack or bundle cannot be released as it is."""

    exit_code = 3


class RepositoryTamperedError(RepositoryError):
    """A signature or hash of the published files is wrong."""

    exit_code = 5

    def __init__(self, where: object, *, found: str, expected: str) -> None:
        super().__init__(
            f"{where}: found {found}, expected {expected}. Nothing is signed on top of it: restore the repository "
            "from a copy that `edgecl repo check` calls sound"
        )


class MissingKeysError(RepositoryError):
    """A role cannot be signed with the keys at hand."""

    def __init__(self, role: str, *, threshold: int, found: int, missing: Iterable[str]) -> None:
        self.role, self.missing = role, tuple(missing)
        super().__init__(
            f"role {role}: found {found} of its keys, expected {threshold}. "
            f"Pass with --keys the folder of: {', '.join(self.missing)}"
        )
