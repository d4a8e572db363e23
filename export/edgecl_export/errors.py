"""Errors of exporting.

EdgeclError
├── ParityError   3  device and workstation do not compute the same: do not ship
│   └── GateError    3  a task, or the bare backbone, fails the gate
└── ExportError   1  a bundle or pack cannot be made
    ├── BudgetError          3  the backbone does not fit in the device
    ├── ExportMismatchError  3  run and bundle do not belong together, or the run is not one that ships
    └── MissingLibraryError  1  a library that this target needs is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecl.errors import EdgeclError, ParityError

if TYPE_CHECKING:
    from edgecl_export.loss import Loss
    from edgecl_export.parity import Parity

__all__ = [
    "TESTED_TORCH",
    "BudgetError",
    "ExportError",
    "ExportMismatchError",
    "GateError",
    "MissingLibraryError",
    "ParityError",
]

TESTED_TORCH = "2.13.0"


class GateError(ParityError):
    """A task, or the bare backbone, fails the gate; `measured` says by how much."""

    def __init__(self, message: str, *, measured: Parity | Loss) -> None:
        super().__init__(message)
        self.measured = measured


class ExportError(EdgeclError):
    """A bundle or pack cannot be made."""


class BudgetError(ExportError):
    """The backbone does not fit in the device."""

    exit_code = 3

    def __init__(self, problem: str, *, device: str) -> None:
        super().__init__(
            f"{problem}. Nothing was written. Export a smaller backbone, lower --precision, or choose another "
            "--device; edgecl devices show prints the budgets and their sources"
        )
        self.problem, self.device = problem, device


class ExportMismatchError(ExportError):
    """The run and the bundle do not belong together, or the run's method is not one that ships."""

    exit_code = 3


class MissingLibraryError(ExportError):
    """A library that this target needs is not installed, or does not load."""
