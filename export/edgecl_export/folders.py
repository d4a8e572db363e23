"""Folders that are there when the work in them is done, and not before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["parents", "workplace"]


@contextmanager
def parents(path: Path) -> Iterator[None]:
    """Make the folders that lead to a path; if the work fails, those it made are removed again."""
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else put something there meanwhile
            for folder in made:
                folder.rmdir()
        raise


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out`, on the same file system; what is left of it at the end is removed."""
    folder = out.with_name(f".{out.name}.part")  # one that a kill left behind is not worth keeping
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
