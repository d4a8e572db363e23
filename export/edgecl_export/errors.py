"""Errors of exporting.

EdgeclError
├── ParityError   3  device and workstation do not compute the same: do not ship
└── ExportError   1  a bundle or pack cannot be made
    └── ExportMismatchError  3  run and bundle do not belong together, or the run is not one that ships
"""

from __future__ import annotations

from edgecl.errors import EdgeclError, ParityError

__all__ = ["TESTED_TORCH", "ExportError", "ExportMismatchError", "ParityError"]

TESTED_TORCH = "2.13.0"


class ExportError(EdgeclError):
    """A bundle or pack cannot be made."""


class ExportMismatchError(ExportError):
    """The run and the bundle do not belong together, or the run's method is not one that ships."""

    exit_code = 3
