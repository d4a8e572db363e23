"""What an update did, for the program that asked and for whoever reads the journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgecl_runtime.errors import EdgeclRuntimeError
from edgecl_runtime.ota.select import Held
from edgecl_runtime.store import BundleRecord, PackRecord, Selection

__all__ = ["Change", "Report", "differences"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something else is in use than before.

    Attributes:
        task: The task, or None for the backbone.
        action: "installed", "withdrawn", "reverted" or "damaged".
        before: The sha256 of what was in use, or None.
        after: The sha256 of what is in use now, or None.
        release_counter: Of what is in use now; 0 for nothing.
    """

    task: str | None
    action: str
    before: str | None
    after: str | None
    release_counter: int

    def to_json(self) -> dict[str, Any]:
        """Return the change as a JSON object."""
        return {
            "task": self.task,
            "action": self.action,
            "before": self.before,
            "after": self.after,
            "release_counter": self.release_counter,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an update.

    Attributes:
        generation: Of the store's state afterwards; it grows with every change.
        changes: What is in use now and was not before, in order.
        held: Newer releases that were not installed, and why.
        errors: What went wrong; whatever it was, what is in use works.
        requests: How many files were asked for.
        received_bytes: What came over the wire.
    """

    generation: int
    changes: tuple[Change, ...] = ()
    held: tuple[Held, ...] = ()
    errors: tuple[EdgeclRuntimeError, ...] = ()
    requests: int = 0
    received_bytes: int = 0

    @property
    def exit_code(self) -> int:
        """0 if nothing went wrong, otherwise that of the first error."""
        return self.errors[0].exit_code if self.errors else 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "generation": self.generation,
            "changes": [change.to_json() for change in self.changes],
            "held": [
                {
                    "path": held.path,
                    "release_counter": held.release_counter,
                    "reason": held.reason,
                    "message": held.message,
                }
                for held in self.held
            ],
            "errors": [_described(error) for error in self.errors],
            "requests": self.requests,
            "received_bytes": self.received_bytes,
        }


def differences(before: Selection, after: Selection, action: str) -> Iterator[Change]:
    """Yield what is in use after a change and was not before, the backbone first."""
    old, new = before.bundle, after.bundle
    if (old and old.sha256) != (new and new.sha256):
        yield _change(None, action, old.sha256 if old else None, new)
    for task in sorted({*before.packs, *after.packs}):
        was, now = before.packs.get(task), after.packs.get(task)
        if was != now:
            yield _change(task, action, was.sha256 if was else None, now)


def _change(
    task: str | None, action: str, before: str | None, after: PackRecord | BundleRecord | None
) -> Change:
    if after is None:
        return Change(task, action, before, None, 0)
    return Change(task, action, before, after.sha256, after.release_counter)


def _described(error: EdgeclRuntimeError) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "reason": getattr(error, "reason", "refused"),
        "retryable": getattr(error, "retryable", False),
        "message": str(error),
    }
