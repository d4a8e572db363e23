"""Backbones whose weights come with the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from edgecl.errors import BackboneError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

PREFIX = "edgecl/"
DEFAULT = "edgecl/vit-64"


def names() -> tuple[str, ...]:
    """Return the names of the embedded backbones, such as `edgecl/vit-64`."""
    folder = files("edgecl.backbones") / "weights"
    if not folder.is_dir():
        return ()
    return tuple(sorted(PREFIX + entry.name for entry in folder.iterdir() if entry.is_dir()))


def folder_of(name: str) -> AbstractContextManager[Path]:
    """Return a context that gives the local `transformers` folder of an embedded backbone.

    Raises:
        BackboneError: There is no backbone of this name.
    """
    if name not in names():
        raise BackboneError(f"{name}: no such embedded backbone; there are: {', '.join(names())}")
    return as_file(files("edgecl.backbones") / "weights" / name.removeprefix(PREFIX))
