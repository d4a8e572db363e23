"""Release numbers: which runtime a file asks for, and which one this is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgecl_runtime.errors import BundleTooNewError, PackTooNewError

__all__ = ["RELEASE", "check_age", "is_newer_than_this", "this_version"]

RELEASE = re.compile(r"[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}")


def this_version() -> str:
    """Return the version of the installed edgecl-runtime."""
    # The package imports this module while it is itself being imported.
    from edgecl_runtime import __version__

    return __version__


def is_newer_than_this(version: str) -> bool:
    """Say whether `version` ("major.minor.patch") is above the installed edgecl-runtime."""
    return _release(version) > _release(this_version())


def check_age(
    value: Mapping[str, object],
    where: str,
    *,
    newest: int,
    error: type[PackTooNewError] | type[BundleTooNewError],
) -> None:
    """Do nothing if this runtime is new enough for what a file says under "min_runtime" and "format_version".

    It looks at these two keys alone, because a newer format may have others and change what they mean.

    Raises:
        PackTooNewError: `error`, if that is what was passed.
        BundleTooNewError: the same.
    """
    needed, version = value.get("min_runtime"), value.get("format_version")
    install = "edgecl-runtime"
    if isinstance(needed, str) and RELEASE.fullmatch(needed):
        install = f"edgecl-runtime>={needed}"
        if is_newer_than_this(needed):
            found, expected = f"edgecl-runtime {this_version()}", f"edgecl-runtime {needed} or newer"
            raise error(where, found=found, expected=expected, install=install)
    if type(version) is int and version > newest:
        raise error(where, found=f"format {version}", expected=f"format {newest} or older", install=install)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])
