"""The command line of a device: `edgecl-device`."""

from __future__ import annotations

from edgecl_runtime.cli.arguments import main

__all__ = ["main"]
