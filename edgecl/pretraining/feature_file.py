"""The file that holds what a teacher said of all images: float16 [N, 1 + G * G, D], read and written in place."""

from __future__ import annotations

import errno
import math
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecl.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path


def make_feature_file(path: Path, shape: tuple[int, int, int]) -> None:
    """Make a file of features [N, 1 + G * G, D], all of whose place on the disk is taken.

    It is written through memory: were it full of holes, a full disk would kill the process without a word.

    Raises:
        RunError: The disk has not the room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob("*.done"):
        stale.unlink()
    partial, needed = path.with_suffix(".part"), 2 * math.prod(shape)
    free = shutil.disk_usage(path.parent).free
    try:
        if free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
        _take_place(partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RunError(
            f"{path.parent}: the teacher's features take {gigabytes(needed)}, and {gigabytes(free)} are free "
            f"({error.strerror}). Make room, name a folder on another disk with --cache, or lower teacher.image_size"
        ) from error


def open_feature_file(path: Path, shape: tuple[int, int, int]) -> np.memmap[Any, np.dtype[np.float16]]:
    """Return the features of a file, to be read and written in place.

    Raises:
        RunError: It is damaged, or of another shape.
    """
    try:
        stored: np.memmap[Any, np.dtype[np.float16]] = np.lib.format.open_memmap(path, mode="r+")
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if stored.shape != shape or stored.dtype != np.float16:
        raise _damaged(path, f"{stored.dtype} {list(stored.shape)}")
    return stored


def _damaged(path: Path, found: str) -> RunError:
    return RunError(
        f"{path.parent}: the teacher's features cannot be read ({found}). Delete the folder to compute them again"
    )


def gigabytes(size_bytes: int) -> str:
    """Return a number of bytes for people."""
    return f"{size_bytes / 1e9:.4g} GB"


def _take_place(path: Path) -> None:
    if hasattr(os, "posix_fallocate"):  # Linux has it, macOS and Windows have not
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
