"""Errors of exporting.

EdgeclError
├── ParityError   3  device and workstation do not compute the same: do not ship
└── ExportError   1  a bundle or pack cannot be made
"""

from __future__ import annotations

from edgecl.errors import EdgeclError, ParityError

__all__ = ["TESTED_TORCH", "ExportError", "ParityError"]

TESTED_TORCH = "2.13.0"


class ExportError(EdgeclError):
    """A bundle or pack cannot be made."""
