"""Versions of what a result was made with."""

from __future__ import annotations

import importlib.metadata


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed versions of packages."""
    return {name: importlib.metadata.version(name) for name in names}
