"""A device store as a place of bundle and packs."""

from __future__ import annotations

from pathlib import Path

from edgecl_runtime.errors import StoreError

__all__ = ["committed_files", "is_store", "no_backbone"]


def is_store(folder: Path | str) -> bool:
    """Say whether a folder is a device store; a bundle has bundle.json instead."""
    return (Path(folder) / "active.json").is_file() or (Path(folder) / "highwater.json").is_file()


def committed_files(folder: Path) -> tuple[Path, list[Path]]:
    """Return the folder of the bundle and the files of the packs that the updater committed last.

    Raises:
        StoreError: no backbone is installed, or the store cannot be read.
    """
    # Imported here: who opens bundles needs nothing of stores.
    from edgecl_runtime.store import StoreReader

    reader = StoreReader(folder)
    active = reader.state().active
    if active.bundle is None:
        raise no_backbone(folder)
    return reader.view_path(active.bundle), [
        reader.content_path(active.packs[task].sha256) for task in sorted(active.packs)
    ]


def no_backbone(folder: Path) -> StoreError:
    """Return the error of a store in which nothing was installed yet."""
    return StoreError(
        str(folder),
        found="no backbone",
        expected="an installed one",
        advice=f"Install one with: edgecl-device update --store {folder}",
    )
