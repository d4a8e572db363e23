"""The command line `edgecl`: the top layer, which alone may import every part and imports heavy ones lazily."""

from edgecl.cli.app import main

__all__ = ["main"]
