"""Narrowing, widening and withdrawing what is released, with the online key alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from edgecl_export.repository.edition import Edition, open_edition
from edgecl_export.repository.errors import ReleaseRefusedError
from edgecl_export.repository.keys import Keyring
from edgecl_export.repository.listing import Release, all_releases, release_name, rollouts, select_releases
from edgecl_export.repository.publish import Content
from edgecl_runtime.ota.release import ROLLOUT, Rollout

__all__ = ["Offered", "limit", "set_rollout", "withdraw"]


@dataclass(frozen=True, slots=True)
class Offered:
    """A release and who gets it; `rollout` is None where everybody does."""

    release: Release
    rollout: Rollout | None


def set_rollout(
    folder: Path,
    keyring: Keyring,
    names: Sequence[str],
    *,
    percent: float,
    now: datetime,
    salt: str | None = None,
    not_before: datetime | None = None,
    deadline: datetime | None = None,
) -> tuple[Offered, ...]:
    """Say who gets some releases, and return what the repository says of them from now on.

    Args:
        folder: The repository.
        keyring: Has a key of online.
        names: Of the releases; see `select_releases`.
        percent: Share of the devices. A device that gets it at some share gets it at every larger one too.
        now: The time of signing.
        salt: Chooses which devices these are; None keeps the choice that was made.
        not_before: Nobody gets it earlier.
        deadline: Everybody gets it from then on.

    Raises:
        ReleaseRefusedError: one of them was withdrawn.
        RepositoryError: a name means no release.
        MissingKeysError: the key of online is not at hand.
    """
    with open_edition(folder, keyring, now=now) as edition:
        chosen = select_releases(all_releases(edition.tree), names)
        for release in chosen:
            limit(edition, release, percent=percent, salt=salt, not_before=not_before, deadline=deadline)
        edition.publish()
        return _offered(edition, chosen)


def withdraw(
    folder: Path,
    keyring: Keyring,
    names: Sequence[str],
    *,
    now: datetime,
    unsafe: bool = False,
    undo: bool = False,
) -> tuple[Offered, ...]:
    """Withdraw the content of some releases from every device, or lift that; return what is said of them now.

    Args:
        folder: The repository.
        keyring: Has a key of online.
        names: Of the releases; see `select_releases`.
        now: The time of signing.
        unsafe: Devices delete the content too, even if they have nothing else for the task.
        undo: Offer it again to those whom it was offered to before.

    Raises:
        RepositoryError: a name means no release.
        MissingKeysError: the key of online is not at hand.
    """
    with open_edition(folder, keyring, now=now) as edition:
        chosen = select_releases(all_releases(edition.tree), names)
        known = rollouts(edition.role(ROLLOUT))
        for release in chosen:
            before = known.get(release.sha256, _for_everybody(release))
            severity = "unsafe" if unsafe else "normal"
            _put(edition, replace(before, withdrawn=not undo, severity=severity))
        edition.publish()
        return _offered(edition, chosen)


def limit(
    edition: Edition,
    release: Release,
    *,
    percent: float | None,
    salt: str | None = None,
    not_before: datetime | None = None,
    deadline: datetime | None = None,
) -> None:
    """Say in an edition who gets a release; `percent` None is everybody.

    Raises:
        ReleaseRefusedError: its content was withdrawn.
    """
    before = rollouts(edition.role(ROLLOUT)).get(release.sha256, _for_everybody(release))
    if before.withdrawn:
        raise ReleaseRefusedError.at(
            release_name(release),
            found="content that was withdrawn",
            expected="content that devices may install",
            fix=f"Lift that first: edgecl repo withdraw REPO {release_name(release)} --undo",
        )
    record = Rollout(
        sha256=release.sha256,
        percent=100.0 if percent is None else percent,
        salt=salt or before.salt,
        not_before=not_before,
        deadline=deadline,
    )
    _put(edition, record)


def _put(edition: Edition, record: Rollout) -> None:
    says_something = record.percent < 100 or record.withdrawn or record.not_before is not None
    if says_something:
        edition.add_file(ROLLOUT, record.path, Content.of(b""), record.as_custom())
    elif record.path in edition.role(ROLLOUT).targets:
        del edition.change(ROLLOUT).targets[record.path]


def _for_everybody(release: Release) -> Rollout:
    # With the counter in it, a release meets other devices first than the one before did.
    return Rollout(
        sha256=release.sha256, percent=100.0, salt=f"{release_name(release)}#{release.release_counter}"
    )


def _offered(edition: Edition, chosen: Sequence[Release]) -> tuple[Offered, ...]:
    known = rollouts(edition.role(ROLLOUT))
    return tuple(Offered(release, known.get(release.sha256)) for release in chosen)
