"""The updater of a device: asks a repository what is new, fetches, tries and commits it, or takes it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecl_runtime.extras import import_extra
from edgecl_runtime.ota.clock import Clock, SystemClock
from edgecl_runtime.ota.config import ROOT_FILE, DeviceConfig, read_config, read_root
from edgecl_runtime.ota.daily import daily_budget
from edgecl_runtime.ota.origin import open_origin
from edgecl_runtime.ota.probe import run_probe
from edgecl_runtime.ota.report import Report
from edgecl_runtime.ota.session import Session
from edgecl_runtime.ota.trial import Callback, Candidate, Judge, Probe
from edgecl_runtime.store import Store

__all__ = ["Candidate", "Updater"]


class Updater:
    """Keeps the store of a device where its repository is. One at a time works on a store.

    What is in use is never disturbed: whatever goes wrong, it stays, and the report says what went wrong.

    Args:
        store: The folder of the store, which was set up by `edgecl-device update` or `set_up`.
        clock: Tells the time.
        probe: Runs the self-test of new content.
    """

    def __init__(self, store: Path | str, *, clock: Clock | None = None, probe: Probe = run_probe) -> None:
        self._folder = Path(store)
        self._clock = clock or SystemClock()
        self._probe = probe
        self._callbacks: list[Callback] = []

    def on_probe(self, callback: Callback) -> None:
        """Ask `callback` too, after the self-test passed, whether new content is good; False takes it back."""
        self._callbacks.append(callback)

    def poll(self) -> Report:
        """Ask the repository of the device once, and install what is new.

        Raises:
            UpdateBusyError: another updater is at work on this store.
            StoreError: the store cannot be read or written, or was not set up.
            MissingExtraError: the [ota] extra is not installed.
        """
        config = read_config(self._folder)
        return self._update(config, config.repository, daily_bytes=config.daily_bytes)

    def install_from(self, repository: Path | str) -> Report:
        """Install what is new in a copy of the repository on a drive, with the same checks.

        Raises:
            UpdateBusyError: another updater is at work on this store.
            StoreError: the store cannot be read or written, or was not set up.
            InputError: there is no such folder.
            MissingExtraError: the [ota] extra is not installed.
        """
        return self._update(read_config(self._folder), Path(repository), daily_bytes=None)

    def revert(self, task: str) -> Report:
        """Go back to the previous pack of a task, without network; it stays until a higher release comes.

        Raises:
            StoreError: there is no previous pack, or it was withdrawn; or the store cannot be read or written.
            UpdateBusyError: another updater is at work on this store.
        """
        return self._revert(lambda store: store.revert(task))

    def revert_backbone(self) -> Report:
        """Go back to the previous backbone with its packs, without network; it stays until a higher release comes.

        Raises:
            StoreError: there is no previous one, or it was withdrawn; or the store cannot be read or written.
            UpdateBusyError: another updater is at work on this store.
        """
        return self._revert(lambda store: store.revert_set())

    def _revert(self, change: Callable[[Store], object]) -> Report:
        with Store.open(self._folder) as store:
            session = Session(store)
            session.begin()
            session.revert(change)
            return session.report()

    def _update(self, config: DeviceConfig, address: str | Path, *, daily_bytes: int | None) -> Report:
        import_extra("tuf", extras=("ota",))
        from edgecl_runtime.ota.trust import Trust

        root = read_root(self._folder / ROOT_FILE)
        with Store.open(self._folder, quota_bytes=config.quota_bytes) as store:
            session = Session(store, Judge(self._probe, config.probe, tuple(self._callbacks)))
            session.begin()
            with open_origin(address) as origin:
                with session.noting():
                    trust = Trust(
                        self._folder, root=root, origin=origin, high_water=store.high_water, clock=self._clock
                    )
                    with daily_budget(self._folder, daily_bytes, now=trust.now()) as budget:
                        session.update(trust, origin, config.device, budget)
                return session.report(origin)
