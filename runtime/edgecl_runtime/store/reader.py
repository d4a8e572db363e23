"""What runs, for those who run it: no lock, no write."""

from __future__ import annotations

from pathlib import Path

from edgecl_runtime.errors import StateLostError
from edgecl_runtime.store.checked import read_copies
from edgecl_runtime.store.disk_errors import reports_disk_errors
from edgecl_runtime.store.files import DiskFiles, Files
from edgecl_runtime.store.layout import Layout
from edgecl_runtime.store.records import BundleRecord
from edgecl_runtime.store.state import State, parse_state

__all__ = ["StoreReader", "read_states"]


class StoreReader:
    """A store, read only. Files that were opened stay whole whatever an updater does meanwhile.

    A file that is gone when it is opened was replaced since the state was read: read the state again.
    """

    def __init__(self, folder: Path | str) -> None:
        self._layout = Layout(Path(folder))

    def stamp(self) -> tuple[int, int, int]:
        """Return what is different after every change of the state; it costs one look at a file."""
        try:
            about = self._layout.state.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        return (about.st_ino, about.st_mtime_ns, about.st_size)

    @reports_disk_errors
    def state(self) -> State:
        """Return what runs and what is kept.

        Raises:
            StateLostError: both copies are damaged or gone.
            StoreError: the disk cannot be read, or a newer edgecl-runtime wrote the state.
        """
        return read_states(DiskFiles(), self._layout)[0]

    def content_path(self, sha256: str) -> Path:
        """Return the file of some content."""
        return self._layout.contents / sha256

    def view_path(self, bundle: BundleRecord) -> Path:
        """Return the folder of a bundle."""
        return self._layout.views / bundle.sha256


def read_states(files: Files, layout: Layout) -> tuple[State, ...]:
    """Return the state, and after it the one before it, as far as they are undamaged: one at least.

    Raises:
        StateLostError: both copies are damaged or gone.
        StoreError: a newer edgecl-runtime wrote it.
        OSError: the disk cannot be read.
    """
    copies = read_copies(files, layout.state)
    if not copies:
        raise StateLostError(str(layout.state), found="no undamaged copy", expected="what runs here")
    return tuple(parse_state(body, str(layout.state)) for body in copies)
