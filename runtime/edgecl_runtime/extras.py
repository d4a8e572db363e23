"""Optional parts, imported when a call first needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgecl_runtime.errors import MissingExtraError

__all__ = ["import_extra"]


def import_extra(module: str, *, extras: tuple[str, ...]) -> Any:
    """Return an imported module that one of `extras` brings.

    Raises:
        MissingExtraError: it cannot be imported; the message has the pip line.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], extras=extras, reason=str(error)) from error
