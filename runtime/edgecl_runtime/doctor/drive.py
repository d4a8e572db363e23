"""The drive that a folder lies on."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from edgecl_runtime.doctor.facts import FolderFacts

__all__ = ["read_folder"]

_MOUNTS = Path("proc/self/mountinfo")


def read_folder(path: Path, *, root: Path = Path("/")) -> FolderFacts:
    """Return file system, mount point and free room of a folder; kind "" where the system does not say.

    Raises:
        OSError: there is no such folder.
    """
    free_bytes = shutil.disk_usage(path).free
    real = path.resolve()
    try:
        lines = (root / _MOUNTS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return FolderFacts(path, kind="", mounted_at="", is_read_only=False, free_bytes=free_bytes)
    mounts = [_mount(line) for line in lines]
    # Of several mounts on one folder the last one is seen.
    at, options, kind = max(
        (mount for mount in mounts if real.is_relative_to(mount[0])),
        key=lambda mount: len(Path(mount[0]).parts),
    )
    return FolderFacts(
        path, kind=kind, mounted_at=at, is_read_only="ro" in options.split(","), free_bytes=free_bytes
    )


def _mount(line: str) -> tuple[str, str, str]:
    """Return mount point, options and kind of one line of mountinfo."""
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    mounted_at = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), fields[4])
    return os.fsdecode(os.fsencode(mounted_at)), fields[5], after.split(" ")[0]
