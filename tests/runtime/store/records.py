"""Makes records for the tests of the store."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgecl_runtime.store import Blob, BundleRecord, PackRecord, Selection, Store

BACKBONE, OTHER_BACKBONE = "1" * 64, "2" * 64


def make_blob(content: bytes) -> Blob:
    """Return the blob of some content."""
    return Blob(hashlib.sha256(content).hexdigest(), len(content))


def make_pack(
    task: str = "leaves", counter: int = 1, *, content: bytes | None = None, backbone: str = BACKBONE
) -> PackRecord:
    """Return the record of a pack; without `content`, it is different for each task, counter and backbone."""
    blob = make_blob(content or f"{task} {counter} {backbone}".encode())
    return PackRecord(
        task=task,
        sha256=blob.sha256,
        size_bytes=blob.size_bytes,
        release_counter=counter,
        backbone=backbone,
    )


def make_bundle(counter: int = 1, *, backbone: str = BACKBONE) -> BundleRecord:
    """Return the record of a bundle of one file and its description."""
    files = {name: make_blob(f"{name} {counter}".encode()) for name in ("backbone.onnx", "bundle.json")}
    return BundleRecord(
        sha256=files["bundle.json"].sha256,
        backbone=backbone,
        release_counter=counter,
        line="default",
        files=files,
    )


def make_selection(*packs: PackRecord, bundle: BundleRecord | None = None) -> Selection:
    """Return a selection of these packs."""
    return Selection(bundle or make_bundle(), {pack.task: pack for pack in packs})


def put(store: Store, content: bytes) -> Blob:
    """Bring some content into a store."""
    blob = make_blob(content)
    store.partial_path(blob.sha256).write_bytes(content)
    store.adopt(blob.sha256, blob.size_bytes)
    return blob


def make_store(folder: Path) -> Path:
    """Make an empty store in a new folder, and return the folder."""
    Store.create(folder / "state")
    return folder / "state"
