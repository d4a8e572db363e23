"""Bundles as folders: each file of a bundle under its own name, as a second name of the content."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgecl_runtime.store.contents import Contents
from edgecl_runtime.store.files import NEW, Files, remove_tree
from edgecl_runtime.store.records import BundleRecord

__all__ = ["Views"]


class Views:
    """The folder of folders. A view takes no space; it holds its contents even when their own names are gone."""

    def __init__(self, files: Files, *, folder: Path, contents: Contents) -> None:
        self._files = files
        self._folder = folder
        self._contents = contents

    def path(self, sha256: str) -> Path:
        """Return the folder of the bundle whose bundle.json has this sha256."""
        return self._folder / sha256

    def restore(self, bundle: BundleRecord) -> None:
        """Make the view of a bundle whose contents are there, unless it shows exactly these contents already."""
        view = self.path(bundle.sha256)
        there = self._files.entries(self._folder)
        if view.name in there and self._shows(view, bundle):
            return
        new = view.with_name(view.name + NEW)
        remove_tree(self._files, view)
        remove_tree(self._files, new)
        self._files.make_folder(new)
        for name, blob in bundle.files.items():
            self._files.link(self._contents.path(blob.sha256), new / name)
        self._files.sync(new)
        self._files.rename(new, view)
        self._files.sync(self._folder)

    def remove_all_but(self, kept: Collection[str]) -> None:
        """Remove the views of other bundles, and what was left of unfinished ones."""
        for name in self._files.entries(self._folder):
            if name not in kept:
                remove_tree(self._files, self._folder / name)

    def _shows(self, view: Path, bundle: BundleRecord) -> bool:
        contents = self._contents.entries()
        expected = {name: contents.get(blob.sha256) for name, blob in bundle.files.items()}
        return self._files.entries(view) == expected
