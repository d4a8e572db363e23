"""The client that tuf-conformance asks for (its CLIENT-CLI.md), on this project's own updater and downloader.

It is a program, not a test: `make conformance TUF_CONFORMANCE=CHECKOUT` runs the suite with it.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from edgecl_runtime.errors import EdgeclRuntimeError
from edgecl_runtime.ota.limits import Limits
from edgecl_runtime.ota.origin import Origin, open_origin
from edgecl_runtime.ota.transfer import Item, download
from edgecl_runtime.ota.trust import METADATA_FOLDER, Trust
from edgecl_runtime.store import Store

LIMITS = Limits(grace_s=20.0, silence_s=10.0, tries=1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-base-url")
    parser.add_argument("--target-dir", type=Path)
    parser.add_argument("command", choices=("init", "refresh", "download"))
    parser.add_argument("root", type=Path, nargs="?")
    arguments = parser.parse_args()
    state = arguments.metadata_dir.with_name("state")
    try:
        if arguments.command == "init":
            initialize(state, arguments.root)
        else:
            update(state, arguments)
    except EdgeclRuntimeError as error:
        print(f"{type(error).__name__} ({error.exit_code}): {error}", file=sys.stderr)
        return 1
    finally:
        show(state / METADATA_FOLDER, arguments.metadata_dir)
    return 0


def initialize(state: Path, root: Path) -> None:
    """Make a store with a root of trust."""
    Store.create(state)
    shutil.copyfile(root, state / "root.json")


def update(state: Path, arguments: argparse.Namespace) -> None:
    """Follow the repository, and download what is asked for."""
    with Store.open(state) as store, followed(state, store, arguments.metadata_url) as (trust, origin):
        for name in arguments.target_name:
            item = trust.find(name)
            if item is None:
                raise SystemExit(1)
            fetch(origin, item, arguments.target_dir / quote(name, safe=""), state)


@contextmanager
def followed(state: Path, store: Store, metadata_url: str) -> Iterator[tuple[Trust, Origin]]:
    """Return the refreshed view of a repository."""
    root = (state / "root.json").read_bytes()
    with open_origin(metadata_url.rstrip("/").removesuffix("/metadata")) as origin:
        trust = Trust(state, root=root, origin=origin, high_water=store.high_water, limits=LIMITS)
        trust.refresh()
        yield trust, origin


def fetch(origin: Origin, item: Item, place: Path, state: Path) -> None:
    """Make `place` hold the file, unless it does."""
    if place.exists() and hashlib.new(item.algorithm, place.read_bytes()).hexdigest() == item.digest:
        return
    partial = state / "conformance.part"
    partial.unlink(missing_ok=True)
    download(origin, item, partial, limits=LIMITS)
    partial.replace(place)


def show(cache: Path, folder: Path) -> None:
    """Copy the metadata that is trusted to where the suite looks for it."""
    for file in cache.glob("*.json"):
        shutil.copyfile(file, folder / file.name)


if __name__ == "__main__":
    sys.exit(main())
