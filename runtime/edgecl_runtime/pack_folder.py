"""A folder of packs: which file serves which task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecl_runtime.bundle import Bundle
from edgecl_runtime.errors import InputError, PackConflictError, PackError
from edgecl_runtime.pack import PACK_SUFFIX, TaskPack, read_pack

__all__ = ["PackFolder", "check_replaces", "is_same_pack", "read_pack_folder"]


@dataclass(frozen=True, slots=True)
class PackFolder:
    """The packs of a folder by task, the highest version of each, and the errors of skipped ones."""

    packs: Mapping[str, TaskPack]
    skipped: tuple[PackError, ...]


def read_pack_folder(
    bundle: Bundle, packs: Path | str | Sequence[Path | str] | None = None, *, skip_bad_packs: bool = False
) -> PackFolder:
    """Return the packs in the files *.ecpack of a folder, or in the files of a list.

    Without either, those of BUNDLE/packs, if that is there.

    Raises:
        PackError: a pack cannot be used, or two of one task and version differ; not with `skip_bad_packs`.
        InputError: one path is given and is not a folder.
    """
    opened: dict[str, TaskPack] = {}
    skipped: list[PackError] = []
    for path in _pack_files(bundle, packs):
        try:
            found = read_pack(path, bundle=bundle)
            opened[found.manifest.task] = _newer(found, opened.get(found.manifest.task))
        except PackError as error:
            if not skip_bad_packs:
                raise
            skipped.append(error)
    return PackFolder(opened, tuple(skipped))


def check_replaces(added: TaskPack, current: TaskPack) -> None:
    """Do nothing if `added` is the same pack as `current`, or has a higher version.

    Raises:
        PackConflictError: it is older, or another one of the same version.
    """
    if added.manifest.version > current.manifest.version or is_same_pack(added, current):
        return
    other = "other bytes under " if added.manifest.version == current.manifest.version else ""
    raise PackConflictError(
        str(added.path),
        found=f"{other}version {added.manifest.version} of {added.manifest.task}",
        expected=f"a version above {current.manifest.version}, which is open from {current.path}",
    )


def is_same_pack(first: TaskPack, second: TaskPack) -> bool:
    """Say whether two packs have the same bytes."""
    return first.manifest.header_sha256 == second.manifest.header_sha256


def _newer(found: TaskPack, current: TaskPack | None) -> TaskPack:
    if current is None:
        return found
    if current.manifest.version > found.manifest.version:
        return current
    check_replaces(found, current)
    return found


def _pack_files(bundle: Bundle, packs: Path | str | Sequence[Path | str] | None) -> list[Path]:
    if packs is not None and not isinstance(packs, (Path, str)):
        return [Path(path) for path in packs]
    place = bundle.packs_path if packs is None else Path(packs)
    if not place.is_dir():
        if packs is None:
            return []
        raise InputError(f"{place}: found no folder, expected the folder of the packs")
    return sorted(path for path in place.iterdir() if path.name.endswith(PACK_SUFFIX) and path.name[0] != ".")
