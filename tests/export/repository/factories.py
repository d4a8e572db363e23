"""Makes repositories, and reads them as any TUF client does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from edgecl_export.repository import Added, AddOptions, Keyring, RoleKeys, add_releases, create_repository
from edgecl_runtime.bundle import read_bundle
from edgecl_runtime.ota.release import pack_path
from tests.runtime.factories import IMAGE_BUNDLE, write_pack_file

BACKBONE = read_bundle(IMAGE_BUNDLE).fingerprint
NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = RoleKeys().names()
Signers = dict[str, Signer]


def make_signers(*names: str) -> Signers:
    """Return signers with new keys, by name; without names, all that a repository needs."""
    return {name: CryptoSigner.generate_ed25519() for name in names or NAMES}


def keyring(signers: Signers, *, without: Sequence[str] = ()) -> Keyring:
    """Return a keyring that knows all names, but cannot sign for some."""
    keys = {name: signer.public_key for name, signer in signers.items()}
    return Keyring(
        keys, {keys[name].keyid: partial(_itself, signers[name]) for name in signers if name not in without}
    )


def _itself(signer: Signer) -> Signer:
    return signer


def make_repository(folder: Path, signers: Signers, *, now: datetime = NOW) -> Path:
    """Write an empty repository."""
    create_repository(folder, keyring(signers), keys=RoleKeys(), now=now)
    return folder


def make_admitting(folder: Path, signers: Signers, *, now: datetime = NOW) -> Path:
    """Write a repository that admits packs for the image bundle, with version 1 of "leaves" released."""
    add(make_repository(folder, signers, now=now), signers, pack(folder.parent), admit=IMAGE_BUNDLE, now=now)
    return folder


def pack(folder: Path, *, version: int = 1, task: str = "leaves", **changes: Any) -> Path:
    """Write a pack beside the repository."""
    place = folder / "packs"
    place.mkdir(exist_ok=True)
    return write_pack_file(place, version=version, task=task, **changes)


def add(
    repository: Path, signers: Signers, *paths: Path, now: datetime = NOW, **options: Any
) -> tuple[Added, ...]:
    """Release packs and bundles with all keys at hand."""
    return add_releases(repository, keyring(signers), paths, now=now, options=AddOptions(**options))


def days(count: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=count)


class FolderFetcher(FetcherInterface):
    """Reads a repository in a folder, and notes what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: dict[str, int] = {}

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = unquote(urlparse(url).path).lstrip("/")
        try:
            content = (self.folder / path).read_bytes()
        except FileNotFoundError as error:
            raise DownloadHTTPError("not there", 404) from error
        self.asked[path] = len(content)
        yield content


class Client:
    """A TUF client of its own, with the first root of a repository and a memory."""

    def __init__(self, repository: Path, name: str = "client") -> None:
        self.root = (repository / "metadata" / "1.root.json").read_bytes()
        self._memory = repository.with_name(name)
        self._memory.mkdir()

    def refresh(self, repository: Path) -> FolderFetcher:
        """Read all metadata that a device of the image bundle reads, and return what was fetched."""
        fetcher = FolderFetcher(repository)
        self.updater = Updater(
            str(self._memory), "https://repository/metadata/", fetcher=fetcher, bootstrap=self.root
        )
        self.updater.refresh()
        for path in (pack_path(BACKBONE, "none", 1), "backbones/none/none", "rollout/none"):
            self.updater.get_targetinfo(path)
        return fetcher

    def counters(self, *paths: str) -> list[int | None]:
        """Return the release counters of some targets, None for one that is not there."""
        found = [self.updater.get_targetinfo(path) for path in paths]
        return [None if target is None else target.custom["edgecl"]["release_counter"] for target in found]
