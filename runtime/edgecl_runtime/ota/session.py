"""One update of an open store, from what is withdrawn to what is tried and committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from edgecl_runtime.errors import (
    CounterError,
    EdgeclRuntimeError,
    IntegrityError,
    StateLostError,
    TransferError,
    UpdateError,
)
from edgecl_runtime.ota.device import Device
from edgecl_runtime.ota.fetch import Fetcher, Places
from edgecl_runtime.ota.limits import ByteBudget
from edgecl_runtime.ota.origin import Origin
from edgecl_runtime.ota.plan import Catalogue, Step, bundle_contents, make_plan
from edgecl_runtime.ota.report import Change, Report, differences
from edgecl_runtime.ota.select import Held, Selector
from edgecl_runtime.ota.trial import Judge, trial_error
from edgecl_runtime.store import Store

__all__ = ["Repository", "Session"]

_T = TypeVar("_T")

# Each plan after the first leaves out what failed in the one before.
_MAX_PLANS = 8


class Repository(Catalogue, Places, Protocol):
    """What a repository says, once its signatures were checked: `ota.trust.Trust`."""

    @property
    def refused(self) -> Sequence[UpdateError]:
        """Records that were passed over."""

    def refresh(self) -> object:
        """Fetch and check the metadata; raises an UpdateError if it cannot be trusted or had."""

    def now(self) -> datetime:
        """Return the time of this update, in UTC."""


class Session:
    """What happens to a store while it is open, and the report of it.

    Args:
        store: The store, open and locked.
        judge: Decides whether new content works here.
    """

    def __init__(self, store: Store, judge: Judge | None = None) -> None:
        self._store = store
        self._judge = judge or Judge()
        self._changes: list[Change] = []
        self._held: tuple[Held, ...] = ()
        self._errors: list[EdgeclRuntimeError] = []

    def begin(self) -> None:
        """Clear up after a crash, and start anew where the record of what runs is lost."""
        try:
            for sha256 in self._store.recover():
                self._note(
                    trial_error(sha256, "crash-loop", "a device that went down with every trial of it")
                )
        except StateLostError as error:
            self._note(error)
            self._store.start_over()
        try:
            self._store.high_water.load()
        except StateLostError as error:
            self._note(error)
            self._store.restore_high_water()

    def update(
        self, repository: Repository, origin: Origin, device: Device, budget: ByteBudget | None
    ) -> None:
        """Follow the repository: withdraw, mend what is damaged, then install what is new."""
        fetcher = Fetcher(self._store, repository, origin, budget)
        with self.noting():
            for sha256 in self._moved("damaged", self._store.repair):
                self._note(_damaged(sha256))
            repository.refresh()
            rollouts = repository.rollouts()
            withdrawn = {sha256: record.severity for sha256, record in rollouts.items() if record.withdrawn}
            self._moved("withdrawn", lambda: self._store.set_withdrawn(withdrawn))
            self._mend(repository, fetcher)
            self._install(repository, device, fetcher)
            self._store.collect_garbage()
        for error in repository.refused:
            self._note(error)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Put an error that ends the update into the report."""
        try:
            yield
        except UpdateError as error:
            self._note(error)

    def revert(self, change: Callable[[Store], object]) -> None:
        """Go back by a method of the store; StoreError if there is nothing to go back to."""
        self._moved("reverted", lambda: change(self._store))

    def report(self, origin: Origin | None = None) -> Report:
        """Return what happened so far."""
        return Report(
            generation=self._store.state().generation,
            changes=tuple(self._changes),
            held=self._held,
            errors=tuple(self._errors),
            requests=origin.requests if origin else 0,
            received_bytes=origin.received if origin else 0,
        )

    def _install(self, repository: Repository, device: Device, fetcher: Fetcher) -> None:
        """Take every step there is; when something fails its trial, plan again without it."""
        for _ in range(_MAX_PLANS):
            state = self._store.state()
            selector = Selector(device, repository.rollouts(), state.quarantine, repository.now())
            plan = make_plan(repository, state, selector)
            self._held = plan.held
            self._take(plan.steps, fetcher)
            if self._store.state().quarantine == state.quarantine:
                break
        for held in self._held:
            if isinstance(held.error, CounterError):
                self._note(held.error)

    def _take(self, steps: Sequence[Step], fetcher: Fetcher) -> None:
        for step in steps:
            try:
                fetcher.fetch(step.contents())
                self._moved("installed", partial(self._try, step))
            except TransferError as error:
                self._note(error)
                if error.retryable:  # the next file would wait for the same server
                    return
            except UpdateError as error:
                self._note(error)

    def _try(self, step: Step) -> None:
        """Run a step on trial, and commit it or take it back."""
        active = self._store.state().active
        chosen = step.selection(active)
        self._store.begin_trial(chosen)
        # What runs already, released again under a higher counter, has nothing to prove.
        verdict = None if chosen.blobs() == active.blobs() else self._judge.judge(step, chosen, self._store)
        if verdict is None:
            self._store.commit_trial()
            return
        self._store.reject_trial(verdict.blame)
        self._note(verdict.error)

    def _mend(self, repository: Repository, fetcher: Fetcher) -> None:
        """Fetch the damaged files of a backbone in use again; a pack is chosen again by itself."""
        missing = self._store.missing()
        if not missing:
            return
        contents = [content for release in repository.bundles() for content in bundle_contents(release)]
        fetcher.fetch([content for content in contents if content.sha256 in missing])
        self._store.restore_view()

    def _moved(self, action: str, change: Callable[[], _T]) -> _T:
        """Return what a change of the store returns, and note what is in use since."""
        before = self._store.state().active
        result = change()
        for moved in differences(before, self._store.state().active, action):
            self._changes.append(moved)
            self._store.journal.append(
                action, task=moved.task, sha256=moved.after, release_counter=moved.release_counter
            )
        return result

    def _note(self, error: EdgeclRuntimeError) -> None:
        self._errors.append(error)
        self._store.journal.append("error", error=type(error).__name__, message=str(error))


def _damaged(sha256: str) -> IntegrityError:
    return IntegrityError(
        f"content {sha256[:12]}",
        found="other bytes than were stored",
        expected="what was stored",
        reason="damaged",
        advice="It was removed; the one before it is used until it is fetched again.",
    )
