"""The store of a device.

Every method that returns has made its change outlast a power cut. One that fails, or is cut off anywhere, has changed
nothing that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final

from edgecl_runtime.errors import IntegrityError, StoreError
from edgecl_runtime.store import transitions
from edgecl_runtime.store.checked import read_copies, write_checked
from edgecl_runtime.store.contents import Contents
from edgecl_runtime.store.disk_errors import reports_disk_errors
from edgecl_runtime.store.files import NEW, DiskFiles, Files
from edgecl_runtime.store.high_water import HighWater, HighWaterRecord
from edgecl_runtime.store.journal import Journal
from edgecl_runtime.store.layout import Layout
from edgecl_runtime.store.lock import Lock
from edgecl_runtime.store.reader import read_states
from edgecl_runtime.store.records import BundleRecord, Selection
from edgecl_runtime.store.space import Space
from edgecl_runtime.store.state import State
from edgecl_runtime.store.views import Views

__all__ = ["QUOTA_BYTES", "Store"]

QUOTA_BYTES: Final = 512_000_000


class Store:
    """The store of a device, held by its one writer; a context manager that lets go of it.

    Attributes:
        high_water: What metadata was accepted so far.
        journal: What happened.
    """

    def __init__(self, layout: Layout, *, quota_bytes: int, files: Files, lock: Lock) -> None:
        self._layout = layout
        self._files = files
        self._lock = lock
        self._contents = Contents(files, folder=layout.contents, partials=layout.partials)
        self._views = Views(files, folder=layout.views, contents=self._contents)
        self._space = Space(
            files, layout.folder, contents=self._contents, views=self._views, quota_bytes=quota_bytes
        )
        self.high_water = HighWaterRecord(files, layout.high_water, metadata=layout.metadata)
        self.journal = Journal(files, layout.journal)

    @classmethod
    @reports_disk_errors
    def create(cls, folder: Path | str, *, files: Files | None = None) -> None:
        """Make an empty store in a folder whose parent is there; one that is there stays as it is.

        Raises:
            StoreError: the disk cannot be written.
        """
        disk, layout = files or DiskFiles(), Layout(Path(folder))
        _make_folders(disk, layout)
        if not read_copies(disk, layout.state) and not disk.entries(layout.contents):
            if not read_copies(disk, layout.high_water):
                HighWaterRecord(disk, layout.high_water, metadata=layout.metadata).write(HighWater())
            write_checked(disk, layout.state, State().to_json())

    @classmethod
    @reports_disk_errors
    def open(cls, folder: Path | str, *, quota_bytes: int = QUOTA_BYTES, files: Files | None = None) -> Store:
        """Return the store in a folder, held by this process alone.

        Args:
            folder: The folder that `create` made.
            quota_bytes: How much its contents may take together.
            files: The file system, if not that of the machine.

        Raises:
            UpdateBusyError: another process holds it.
            StoreError: there is none, or the disk cannot be written.
        """
        disk, layout = files or DiskFiles(), Layout(Path(folder))
        lock = disk.lock(layout.lock)
        try:
            _settle(disk, layout)
        except BaseException:
            lock.release()
            raise
        return cls(layout, quota_bytes=quota_bytes, files=disk, lock=lock)

    def close(self) -> None:
        """Let other writers in."""
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def metadata_path(self) -> Path:
        """The folder for signed metadata that was fetched; all of it can be fetched again."""
        return self._layout.metadata

    def partial_path(self, sha256: str) -> Path:
        """Return the file in which some content is put together, before `adopt`."""
        return self._contents.partial_path(sha256)

    def content_path(self, sha256: str) -> Path:
        """Return the file of some content."""
        return self._contents.path(sha256)

    def view_path(self, bundle: BundleRecord) -> Path:
        """Return the folder of a bundle that is tried, in use or kept."""
        return self._views.path(bundle.sha256)

    @reports_disk_errors
    def state(self) -> State:
        """Return what runs and what is kept.

        Raises:
            StateLostError: both copies are damaged or gone; `start_over` begins a new one.
            StoreError: a newer edgecl-runtime wrote it.
        """
        return read_states(self._files, self._layout)[0]

    @reports_disk_errors
    def start_over(self) -> State:
        """Begin an empty state after the old one was lost; contents stay, so that they need not be fetched again."""
        self._write(State())
        return self.state()

    @reports_disk_errors
    def restore_high_water(self) -> HighWater:
        """Take what metadata was accepted from the state, after the record itself was lost."""
        copy = self.state().high_water
        self.high_water.write(copy)
        return copy

    @reports_disk_errors
    def recover(self) -> tuple[str, ...]:
        """End a trial that was begun as often as it may be, and return the contents that are now in quarantine."""
        state = self.state()
        if state.trial is None or state.trial.tries < transitions.MAX_TRIES:
            return ()
        return tuple(sorted(set(self.reject_trial().quarantine) - set(state.quarantine)))

    @reports_disk_errors
    def reserve(self, wanted: Mapping[str, int]) -> None:
        """Make room for contents that will be fetched, sizes by sha256; what is there already takes none.

        Raises:
            QuotaError: there is not enough.
        """
        self._collect(wanted)
        self._space.check(wanted)

    @reports_disk_errors
    def has(self, sha256: str) -> bool:
        """Return whether some content is there."""
        return sha256 in self._contents.sizes()

    @reports_disk_errors
    def adopt(self, sha256: str, size_bytes: int) -> None:
        """Take what was put together at `partial_path`, unless the content is there.

        Raises:
            IntegrityError: it is something else; it was removed.
        """
        self._contents.adopt(sha256, size_bytes)

    @reports_disk_errors
    def begin_trial(self, selection: Selection) -> State:
        """Note that a selection is tried now; once more, if it is under trial already.

        Raises:
            IntegrityError: content that it brings is damaged; it was removed and can be fetched again.
            StoreError: content is missing.
        """
        self._require_sound(selection, trusted=self.state().active)
        return self._change(lambda state: transitions.begin(state, selection))

    @reports_disk_errors
    def commit_trial(self) -> State:
        """Let what is under trial run from now on, and keep what ran before to go back to.

        Raises:
            StoreError: nothing is under trial.
            StateLostError: it is not known what metadata was accepted.
        """
        accepted = self.high_water.load()
        return self._change(lambda state: replace(transitions.commit(state), high_water=accepted))

    @reports_disk_errors
    def reject_trial(self, blame: Collection[str] | None = None) -> State:
        """End the trial; the blamed contents, or all that it brought, are not tried again under the same counter.

        Raises:
            StoreError: nothing is under trial.
        """
        return self._change(lambda state: transitions.reject(state, blame))

    @reports_disk_errors
    def revert(self, task: str) -> State:
        """Let a task have its previous pack again.

        Raises:
            StoreError: there is none, or the publisher took it back.
            IntegrityError: it is damaged.
        """
        state = self.state()
        self._require_sound(transitions.revert(state, task).active, trusted=state.active)
        return self._change(lambda current: transitions.revert(current, task))

    @reports_disk_errors
    def revert_set(self) -> State:
        """Let the previous backbone run again, with its packs.

        Raises:
            StoreError: there is none, or the publisher took it back.
            IntegrityError: it is damaged.
        """
        state = self.state()
        self._require_sound(transitions.revert_set(state).active, trusted=state.active)
        return self._change(transitions.revert_set)

    @reports_disk_errors
    def set_withdrawn(self, withdrawn: Mapping[str, str]) -> State:
        """Go by the publisher's list of contents that are taken back, each "normal" or "unsafe"."""
        before = self.state()
        after = self._change(lambda state: transitions.withdraw(state, withdrawn))
        if set(before.blobs()) - set(after.blobs()):
            self._write(after)  # the copy of the state before must not name what is unsafe to keep
            self._collect({})
        return self.state()

    @reports_disk_errors
    def repair(self) -> tuple[str, ...]:
        """Go back to what is undamaged, and return the contents in use or kept that are damaged or gone.

        Damaged content is removed, to be fetched again. A bundle without another one to go back to stays named: see
        `missing`.
        """
        named = self.state().blobs()
        lost = self._contents.damaged(named) | self._contents.missing(named).keys()
        self._give_up(lost)
        return tuple(sorted(lost))

    @reports_disk_errors
    def missing(self) -> dict[str, int]:
        """Return the contents of what runs that are not there, sizes by sha256: fetch them, then `restore_view`."""
        return self._contents.missing(self.state().active.blobs())

    @reports_disk_errors
    def restore_view(self) -> None:
        """Make the folder of the active bundle again, after its missing contents were adopted."""
        bundle = self.state().active.bundle
        if bundle is not None:
            self._views.restore(bundle)

    @reports_disk_errors
    def collect_garbage(self) -> int:
        """Remove all that is neither in use nor kept, and return how many bytes that freed."""
        return self._collect({})

    def _change(self, transition: Callable[[State], State]) -> State:
        before = self.state()
        after = transition(before)
        if after != before:
            self._write(replace(after, generation=before.generation + 1))
        return self.state()

    def _write(self, state: State) -> None:
        write_checked(self._files, self._layout.state, state.to_json())

    def _require_sound(self, selection: Selection, *, trusted: Selection) -> None:
        """Make the bundle's view if all contents are there, and those that are not in use yet undamaged."""
        missing = self._contents.missing(selection.blobs())
        if missing:
            raise StoreError(
                str(self._layout.contents),
                found=f"no {next(iter(missing))[:12]}...",
                expected="every content of the selection",
                advice="Fetch it first.",
            )
        damaged = self._contents.damaged(selection.blobs().keys() - trusted.blobs().keys())
        if damaged:
            self._give_up(damaged)
            raise IntegrityError(
                str(self._contents.path(min(damaged))),
                found="other bytes than were stored",
                expected="what its name says",
                reason="damaged",
                advice="It was removed and can be fetched again.",
                retryable=True,
            )
        if selection.bundle is not None:
            self._views.restore(selection.bundle)

    def _give_up(self, lost: set[str]) -> None:
        """Go on without these contents, and remove what is left of them, so that they can be fetched again."""
        active = self.state().active
        fallback = transitions.drop_damaged(self.state(), lost).active
        if fallback.bundle is not None and fallback.bundle != active.bundle:
            self._views.restore(fallback.bundle)
        self._change(lambda state: transitions.drop_damaged(state, lost))
        for sha256 in lost & self._contents.sizes().keys():
            self._contents.remove(sha256)

    def _collect(self, wanted: Mapping[str, int]) -> int:
        """Remove all but what the state and the copy of the one before it name, and what is wanted."""
        states = read_states(self._files, self._layout)
        contents = {sha256 for state in states for sha256 in state.blobs()}
        bundles = {sha256 for state in states for sha256 in state.bundles()}
        return self._space.collect(contents=contents | wanted.keys(), bundles=bundles, partials=wanted.keys())


def _make_folders(files: Files, layout: Layout) -> None:
    """Make what is not there, and let all of it outlast a power cut: an earlier attempt may have been killed."""
    if layout.folder.name not in files.entries(layout.folder.parent):
        files.make_folder(layout.folder)
    there = files.entries(layout.folder)
    for folder in layout.subfolders:
        if folder.name not in there:
            files.make_folder(folder)
    files.sync(layout.folder)
    files.sync(layout.folder.parent)


def _settle(files: Files, layout: Layout) -> None:
    """Make what a killed process left outlast a power cut before anything builds on it, and remove its rubbish."""
    there = files.entries(layout.folder)
    if layout.contents.name not in there:
        raise StoreError(
            str(layout.folder),
            found="no store",
            expected="the folder of one",
            advice="Make one with: edgecl-device update --repository URL --root ROOT.json --store FOLDER",
        )
    for folder in (layout.contents, layout.views, layout.folder):
        files.sync(folder)
    for name, entry in there.items():
        if name.endswith(NEW) and not entry.is_folder:
            files.remove(layout.folder / name)
