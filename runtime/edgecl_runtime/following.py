"""A runtime on a device store, which uses from call to call what the updater committed last."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from edgecl_runtime.errors import EdgeclRuntimeError, InputError, PackError
from edgecl_runtime.pack import TaskPack, read_pack
from edgecl_runtime.pack_folder import PackFolder
from edgecl_runtime.runtime import Runtime
from edgecl_runtime.store import BundleRecord, Selection, StoreReader
from edgecl_runtime.store_folder import no_backbone

__all__ = ["FollowingRuntime"]

OpenBundle = Callable[[Path], Runtime]


class FollowingRuntime(Runtime):
    """The runtime of what a store has committed. Each call looks, with one stat of a file, whether that has changed.

    A new pack takes the place of the old one between two calls; a call under way keeps what it began with, since
    the packs stay mapped. A new backbone is opened by the first call that finds it, while calls of other threads
    go on with the old one. What cannot be opened is left as it was, and `behind` says why.

    Args:
        store: The folder of the store.
        open_bundle: Opens a backbone without packs.

    Raises:
        StoreError: the folder holds no store, or no backbone was installed yet.
        BundleError: the backbone cannot be used.
    """

    def __init__(self, store: Path, open_bundle: OpenBundle) -> None:
        self._folder = store
        self._reader = StoreReader(store)
        self._open_bundle = open_bundle
        self._following = threading.Lock()
        self._behind: EdgeclRuntimeError | None = None
        self._stamp = self._reader.stamp()
        self._opened = self._reader.state().active
        self._latest_runtime = open_bundle(self._reader.view_path(self._installed(self._opened)))
        self._latest_runtime.replace_packs(self._read_packs(self._latest_runtime, self._opened))

    @property
    def behind(self) -> EdgeclRuntimeError | None:
        """Why this runtime is not where the store is, or None if it is."""
        return self._behind

    def add(self, path: Path | str) -> str:
        """Refuse: the packs of a store come from its updater.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{path}: the packs of a device store come from its updater; open a bundle to add your own"
        )

    def remove(self, task: str) -> None:
        """Refuse: the packs of a store come from its updater.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{task}: the packs of a device store go by its updater; open a bundle to remove one"
        )

    def _latest(self) -> Runtime:
        if self._reader.stamp() != self._stamp and self._following.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._following.release()
        return self._latest_runtime

    def _follow(self) -> None:
        # The stamp is taken before the state is read: a commit in between is found by the next call.
        self._stamp = self._reader.stamp()
        try:
            wanted = self._reader.state().active
            bundle, runtime = self._installed(wanted), self._latest_runtime
            if bundle != self._opened.bundle:
                runtime = self._open_bundle(self._reader.view_path(bundle))
            runtime.replace_packs(self._read_packs(runtime, wanted))
        except EdgeclRuntimeError as error:
            self._behind = error
            return
        self._latest_runtime, self._opened, self._behind = runtime, wanted, None

    def _installed(self, selection: Selection) -> BundleRecord:
        if selection.bundle is None:
            raise no_backbone(self._folder)
        return selection.bundle

    def _read_packs(self, runtime: Runtime, wanted: Selection) -> PackFolder:
        """Return the packs of a selection; those that are open already stay as they are."""
        packs: dict[str, TaskPack] = {}
        skipped: list[PackError] = []
        for task, record in wanted.packs.items():
            path = self._reader.content_path(record.sha256)
            opened = runtime.pack(task) if task in runtime.tasks else None
            try:
                same = opened is not None and opened.path == path
                packs[task] = (
                    opened if same and opened is not None else read_pack(path, bundle=runtime.bundle)
                )
            except PackError as error:
                skipped.append(error)
                if opened is not None:
                    packs[task] = opened
        return PackFolder(packs, tuple(skipped))


def _forward(name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(Runtime, name))
    def call(self: FollowingRuntime, *args: Any, **keywords: Any) -> Any:
        return getattr(self._latest(), name)(*args, **keywords)

    return call


def _forward_property(name: str) -> property:
    return property(lambda self: getattr(self._latest(), name), doc=getattr(Runtime, name).__doc__)


def _forward_the_rest() -> None:
    """Send what is public in `Runtime` and not said otherwise above to the latest runtime."""
    for name, member in vars(Runtime).items():
        if name.startswith("_") or name in vars(FollowingRuntime):
            continue
        if isinstance(member, property):
            setattr(FollowingRuntime, name, _forward_property(name))
        elif isinstance(member, FunctionType):
            setattr(FollowingRuntime, name, _forward(name))


_forward_the_rest()
