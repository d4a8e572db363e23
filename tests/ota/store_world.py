"""Contents, states of a store and operations on it, for the tests that break them off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgecl_runtime.store import Blob, BundleRecord, Files, HighWater, PackRecord, Selection, Store

CONTENTS: dict[str, bytes] = {}


def keep(content: bytes) -> Blob:
    """Return the blob of some content that `fetch` can then find."""
    sha256 = hashlib.sha256(content).hexdigest()
    CONTENTS[sha256] = content
    return Blob(sha256, len(content))


def make_pack(task: str, version: int, *, backbone: str = "1" * 64, counter: int | None = None) -> PackRecord:
    """Return the record of a pack whose content can be fetched."""
    blob = keep(f"pack {task} {version} for {backbone[:4]}".encode())
    return PackRecord(
        task=task,
        sha256=blob.sha256,
        size_bytes=blob.size_bytes,
        release_counter=counter or version,
        backbone=backbone,
    )


def make_bundle(version: int, *, backbone: str, counter: int | None = None) -> BundleRecord:
    """Return the record of a bundle whose files can be fetched."""
    files = {name: keep(f"{name} {version}".encode()) for name in ("backbone.onnx", "bundle.json")}
    return BundleRecord(
        sha256=files["bundle.json"].sha256,
        backbone=backbone,
        release_counter=counter or version,
        line="default",
        files=files,
    )


BACKBONE_1, BACKBONE_2 = "1" * 64, "2" * 64
BUNDLE_1 = make_bundle(1, backbone=BACKBONE_1)
BUNDLE_2 = make_bundle(2, backbone=BACKBONE_2)
LEAVES_1, LEAVES_2, LEAVES_3 = (make_pack("leaves", version) for version in (1, 2, 3))
STEEL_1 = make_pack("steel", 1)
SET_1 = Selection(BUNDLE_1, {"leaves": LEAVES_1, "steel": STEEL_1})
UPDATED = SET_1.with_pack(LEAVES_2)
SET_2 = Selection(
    BUNDLE_2,
    {task: make_pack(task, 1, backbone=BACKBONE_2) for task in ("leaves", "steel")},
)
ORPHAN = keep(b"used by nobody")
ACCEPTED = HighWater({"root": 2, "timestamp": 9, "snapshot": 4}, datetime(2026, 5, 1, tzinfo=UTC), "new keys")
NEWER = HighWater({"root": 1, "timestamp": 8}, datetime(2026, 4, 1, tzinfo=UTC), "old keys")

Step = Callable[[Files, Path], object]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something a store does.

    Attributes:
        name: What it is called in messages.
        before: What happened to the store before, step by step.
        run: The operation.
        promise: Whether the disk holds what the operation promised when it returned.
        repeats: Whether it can be done again whatever became of it the first time.
        damaged: Contents that are damaged before it.
    """

    name: str
    before: tuple[Step, ...]
    run: Step
    promise: Step = lambda files, folder: True
    repeats: bool = False
    damaged: frozenset[str] = frozenset()


def fetch(files: Files, store: Store, blob: Blob) -> None:
    """Do what a downloader does: put the content together piece by piece, and hand it over."""
    if store.has(blob.sha256):
        return
    partial, content = store.partial_path(blob.sha256), CONTENTS[blob.sha256]
    if partial.name in files.entries(partial.parent):
        files.remove(partial)
    files.append(partial, content[:5])
    files.append(partial, content[5:])
    store.adopt(blob.sha256, blob.size_bytes)


def create(files: Files, folder: Path) -> None:
    """Make the store."""
    Store.create(folder, files=files)


def install(selection: Selection) -> Step:
    """Return the whole way of a selection: room, contents, trial, commit, garbage."""

    def run(files: Files, folder: Path) -> None:
        with Store.open(folder, files=files) as store:
            store.recover()
            store.reserve(selection.blobs())
            for sha256, size in selection.blobs().items():
                fetch(files, store, Blob(sha256, size))
            store.begin_trial(selection)
            store.commit_trial()
            store.collect_garbage()

    return run


def fetched(*blobs: Blob | PackRecord) -> Step:
    """Return the step that brings contents into the store, and nothing more."""

    def run(files: Files, folder: Path) -> None:
        with Store.open(folder, files=files) as store:
            for blob in blobs:
                fetch(files, store, Blob(blob.sha256, blob.size_bytes))

    return run


def with_store(change: Callable[[Store], object]) -> Step:
    """Return the step that opens the store and does one thing."""

    def run(files: Files, folder: Path) -> None:
        with Store.open(folder, files=files) as store:
            change(store)

    return run


def rotate_root(files: Files, folder: Path) -> None:
    """Do what a trust root's rotation does: write the new metadata, then accept it."""
    with Store.open(folder, files=files) as store:
        history = store.metadata_path / "root_history"
        if history.name not in files.entries(store.metadata_path):
            files.make_folder(history)
        for path in (history / "2.root.json", store.metadata_path / "timestamp.json"):
            there = path.name in files.entries(path.parent)
            if there and content_at(files, path) != METADATA:
                files.remove(path)
                there = False
            if not there:
                files.append(path, METADATA)
        store.high_water.raise_to(ACCEPTED)


METADATA = b"signed metadata"


def rot(content: Blob | PackRecord) -> Step:
    """Return the step that damages some content on the disk."""

    def run(files: Files, folder: Path) -> None:
        path = folder / "store" / content.sha256
        files.append(path, b"!")

    return run


def lose(*names: str) -> Step:
    """Return the step that removes files of the store."""

    def run(files: Files, folder: Path) -> None:
        for name in files.entries(folder).keys() & set(names):
            files.remove(folder / name)

    return run


def litter(files: Files, folder: Path) -> None:
    """Leave what cut-off updates leave: contents of nobody, half of a content, half of a view."""
    fetched(ORPHAN)(files, folder)
    files.append(folder / "partial" / LEAVES_3.sha256, b"half")
    files.append(folder / "active.json.new", b"{")
    files.make_folder(folder / "bundles" / (BUNDLE_2.sha256 + ".new"))
    files.append(folder / "bundles" / (BUNDLE_2.sha256 + ".new") / "bundle.json", b"{")


def holds(blob: Blob | PackRecord) -> Step:
    """Return the question whether some content is in the store, whole."""

    def ask(files: Files, folder: Path) -> bool:
        there = blob.sha256 in files.entries(folder / "store")
        return there and content_at(files, folder / "store" / blob.sha256) == CONTENTS[blob.sha256]

    return ask


def names_not(sha256: str) -> Step:
    """Return the question whether the store names some content no more."""

    def ask(files: Files, folder: Path) -> bool:
        with Store.open(folder, files=files) as store:
            return sha256 not in store.state().blobs()

    return ask


def content_at(files: Files, path: Path) -> bytes:
    """Return the content of a file."""
    return b"".join(files.read(path))


def has_metadata(files: Files, folder: Path) -> bool:
    """Return whether the metadata that was accepted is there."""
    return content_at(files, folder / "tuf" / "root_history" / "2.root.json") == METADATA


def noted(files: Files, folder: Path) -> bool:
    """Return whether the journal tells of the event."""
    with Store.open(folder, files=files) as store:
        return "tested" in {event["event"] for event in store.journal.read()}


FRESH = (create,)
INSTALLED = (*FRESH, install(SET_1))
CHANGED = (*INSTALLED, install(UPDATED))
ON_TRIAL = (
    *CHANGED,
    fetched(LEAVES_3),
    with_store(lambda store: store.begin_trial(UPDATED.with_pack(LEAVES_3))),
)
TRIED_OUT = (*ON_TRIAL, with_store(lambda store: store.begin_trial(UPDATED.with_pack(LEAVES_3))))
MOVED = (*CHANGED, install(SET_2))
LITTERED = (*CHANGED, litter)

_NORMAL: Mapping[str, str] = {LEAVES_2.sha256: "normal"}
_UNSAFE: Mapping[str, str] = {LEAVES_2.sha256: "unsafe"}
_BUNDLE: Mapping[str, str] = {BUNDLE_2.sha256: "normal"}

OPERATIONS = (
    Operation("create", (), create, repeats=True),
    Operation("create again", CHANGED, create, repeats=True),
    Operation("open", LITTERED, with_store(lambda store: store.state()), repeats=True),
    Operation("adopt", CHANGED, fetched(LEAVES_3), holds(LEAVES_3), repeats=True),
    Operation("first install", FRESH, install(SET_1), repeats=True),
    Operation("install a pack", INSTALLED, install(UPDATED), repeats=True),
    Operation("install after litter", LITTERED, install(UPDATED.with_pack(LEAVES_3)), repeats=True),
    Operation("switch the set", CHANGED, install(SET_2), repeats=True),
    Operation(
        "switch a fetched set",
        (*CHANGED, fetched(*(Blob(sha256, size) for sha256, size in SET_2.blobs().items()))),
        install(SET_2),
        repeats=True,
    ),
    Operation("switch the set back", MOVED, install(UPDATED), repeats=True),
    Operation(
        "begin a trial",
        (*CHANGED, fetched(LEAVES_3)),
        with_store(lambda store: store.begin_trial(UPDATED.with_pack(LEAVES_3))),
        repeats=True,
    ),
    Operation(
        "begin a trial of a set",
        (*CHANGED, fetched(*(Blob(sha256, size) for sha256, size in SET_2.blobs().items()))),
        with_store(lambda store: store.begin_trial(SET_2)),
        repeats=True,
    ),
    Operation("try again", ON_TRIAL, ON_TRIAL[-1], repeats=True),
    Operation("commit", ON_TRIAL, with_store(lambda store: store.commit_trial())),
    Operation("reject", ON_TRIAL, with_store(lambda store: store.reject_trial())),
    Operation("recover", TRIED_OUT, with_store(lambda store: store.recover()), repeats=True),
    Operation("revert", CHANGED, with_store(lambda store: store.revert("leaves"))),
    Operation("revert the set", MOVED, with_store(lambda store: store.revert_set())),
    Operation("withdraw", CHANGED, with_store(lambda store: store.set_withdrawn(_NORMAL)), repeats=True),
    Operation(
        "withdraw unsafe",
        CHANGED,
        with_store(lambda store: store.set_withdrawn(_UNSAFE)),
        repeats=True,
    ),
    Operation(
        "withdraw a bundle", MOVED, with_store(lambda store: store.set_withdrawn(_BUNDLE)), repeats=True
    ),
    Operation("collect garbage", LITTERED, with_store(lambda store: store.collect_garbage()), repeats=True),
    Operation(
        "collect a backbone",
        (
            *MOVED,
            with_store(lambda store: store.revert_set()),
            with_store(lambda store: store.set_withdrawn({})),
        ),
        with_store(lambda store: store.collect_garbage()),
        repeats=True,
    ),
    Operation("reserve", LITTERED, with_store(lambda store: store.reserve(SET_2.blobs())), repeats=True),
    Operation("root rotation", CHANGED, rotate_root, has_metadata, repeats=True),
    Operation(
        "raise the high water",
        INSTALLED,
        with_store(lambda store: store.high_water.raise_to(NEWER)),
        repeats=True,
    ),
    Operation(
        "repair a pack",
        (*CHANGED, rot(LEAVES_2)),
        with_store(lambda store: store.repair()),
        names_not(LEAVES_2.sha256),
        repeats=True,
        damaged=frozenset({LEAVES_2.sha256}),
    ),
    Operation(
        "repair a bundle",
        (*MOVED, rot(BUNDLE_2.files["backbone.onnx"])),
        with_store(lambda store: store.repair()),
        names_not(BUNDLE_2.sha256),
        repeats=True,
        damaged=frozenset({BUNDLE_2.files["backbone.onnx"].sha256}),
    ),
    Operation(
        "start over",
        (*CHANGED, lose("active.json", "active.json.prev")),
        with_store(lambda store: store.start_over()),
        repeats=True,
    ),
    Operation(
        "restore the high water",
        (*CHANGED, lose("highwater.json", "highwater.json.prev")),
        with_store(lambda store: store.restore_high_water()),
        repeats=True,
    ),
    Operation(
        "journal", CHANGED, with_store(lambda store: store.journal.append("tested")), noted, repeats=True
    ),
)
