"""Makes packs, tensors and bundles for the tests of the runtime."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgecl_runtime import (
    Bundle,
    Dimensions,
    PackManifest,
    Probe,
    Provenance,
    TaskTensors,
    encode_pack,
    read_bundle,
)
from edgecl_runtime.tensors import expected_shapes

DATA = Path(__file__).parents[1] / "data"
IMAGE_BUNDLE = DATA / "bundles" / "image"
TEXT_BUNDLE = DATA / "bundles" / "text"
IMAGE_PACKS = DATA / "packs" / "v1" / "image"
TEXT_PACKS = DATA / "packs" / "v1" / "text"
IMAGE_INT8_PACKS = DATA / "packs" / "v2" / "image"
TEXT_INT8_PACKS = DATA / "packs" / "v2" / "text"
DIMENSIONS = Dimensions(layers=2, width=8, heads=2, head_dim=4)

Edit = Callable[[dict[str, Any]], object]


def make_tensors(
    *,
    seed: int = 0,
    prefix_length: int = 3,
    rank: int = 2,
    classes: int = 2,
    dimensions: Dimensions = DIMENSIONS,
    dtype: str = "F16",
) -> TaskTensors:
    """Return random tensors."""
    random = np.random.default_rng(seed)
    shapes = expected_shapes(dimensions, prefix_length=prefix_length, rank=rank, classes=classes)
    arrays = {name: random.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    return TaskTensors(**arrays).rounded(dtype)


def make_manifest(**changes: Any) -> PackManifest:
    """Return a manifest that fits the image bundle."""
    values: dict[str, Any] = {
        "task": "leaves",
        "version": 1,
        "fingerprint": read_bundle(IMAGE_BUNDLE).fingerprint,
        "labels": ("healthy", "rust"),
        "attention": "concat",
        "probe": Probe(seeds=(0, 1), tolerance={"fp32": 1e-4}),
        "provenance": Provenance("test", {"rate": 0.5}, "none", {"numpy": "2"}),
    }
    return PackManifest(**{**values, **changes})


def make_pack(*, tensors: TaskTensors | None = None, int8: bool = False, **changes: Any) -> bytes:
    """Return the bytes of a pack that fits the image bundle; `changes` go to its manifest."""
    manifest = make_manifest(**changes)
    stored = tensors or make_tensors(classes=len(manifest.labels), dtype="I8" if int8 else "F16")
    width = stored.head_weight.shape[1]
    probe = np.ones((len(manifest.probe.seeds), width), np.float32)
    return encode_pack(manifest, stored, probe, int8=int8)


def write_pack_file(folder: Path, **changes: Any) -> Path:
    """Write a pack under the name that its task and version give, and return its path."""
    raw = make_pack(**changes)
    path = folder / f"{changes.get('task', 'leaves')}-{changes.get('version', 1)}.ecpack"
    path.write_bytes(raw)
    return path


def copy_bundle(folder: Path, source: Path = IMAGE_BUNDLE) -> Bundle:
    """Return a copy of a golden bundle that a test may damage."""
    return read_bundle(shutil.copytree(source, folder / "bundle"))


def edit_json(path: Path, edit: Edit) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    edit(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return header and tensor bytes of a pack."""
    end = 8 + int.from_bytes(raw[:8], "little")
    return raw[8:end], raw[end:]


def seal(header: bytes, data: bytes) -> bytes:
    """Return a pack of any header and data whose header digest is right: what lies deeper must refuse it."""
    header += b" " * (-len(header) % 8)
    start = header.index(b'header_sha256\\":\\"') + 18
    length = len(header).to_bytes(8, "little")
    zeroed = header[:start] + b"0" * 64 + header[start + 64 :]
    digits = hashlib.sha256(length + zeroed).hexdigest().encode()
    return length + header[:start] + digits + header[start + 64 :] + data


def forge(
    raw: bytes,
    *,
    manifest: Edit | None = None,
    table: Edit | None = None,
    data: Callable[[bytes], bytes] | None = None,
    manifest_text: Callable[[str], str] | None = None,
    header_text: Callable[[str], str] | None = None,
) -> bytes:
    """Return a changed pack with both digests computed again, as someone who knows the format would."""
    header, stored = split(raw)
    described = json.loads(header)
    said = json.loads(described["__metadata__"]["edgecl"])
    stored = data(stored) if data else stored
    said["tensors_sha256"] = hashlib.sha256(stored).hexdigest()
    if manifest:
        manifest(said)
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    described["__metadata__"]["edgecl"] = manifest_text(text) if manifest_text else text
    if table:
        table(described)
    whole = json.dumps(described, ensure_ascii=False, separators=(",", ":"))
    return seal((header_text(whole) if header_text else whole).encode("utf-8", "surrogatepass"), stored)
