"""Files of released formats open for ever, and give what they gave when they were made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgecl_runtime import Runtime, read_bundle, read_pack
from tests.runtime.factories import (
    DATA,
    IMAGE_BUNDLE,
    IMAGE_INT8_PACKS,
    IMAGE_PACKS,
    TEXT_BUNDLE,
    TEXT_INT8_PACKS,
    TEXT_PACKS,
)

DIGESTS = {
    "bundles/image/backbone.onnx": "3fee9c29a539e41ecadaacfc6d9a93b16cdb133fb05f0a616ca2c7d047ae7da5",
    "bundles/image/bundle.json": "7d8cea459befb3f62be1cfe87f6a46508f41bd30bfb178c48171286053d6f6f6",
    "bundles/text/backbone.onnx": "f228d2c4e7d3aba0fd3980f2c62b26620bcf1cb01ed279217c74dba6ccb69120",
    "bundles/text/bundle.json": "45e96049792f18c9304888f56c97a5b1ac865a34d4e97bea529da477ea4e2987",
    "bundles/text/tokenizer.json": "d2cee75973a02b37284170098b97d1276bba88103e6d66751c89d8d9ad2f46fb",
    "packs/v1/image/leaves-1.ecpack": "95fdcfc4114be521a67552daa09c618c62047999eb7186bfae0386e5bf8d3919",
    "packs/v1/image/plain-1.ecpack": "4b830d09f6019bd81d3849ae6e6d95f4babd57d2b8ae782a75a28bbbb1411472",
    "packs/v1/image/steel-2.ecpack": "962b13fbae6ee97606daa2aad22d93a34a10b4acc5955eb182af656df7ac383f",
    "packs/v2/image/rust-1.ecpack": "af8fd75e003f3c95498698206e4dc483fcbd7551cd452a129dd20303c8cf982a",
    "packs/v2/text/tone-3.ecpack": "547e4dae359aee8a28c1293966f89f99b78a47fd33f5c84d55faed60e3b72c3d",
    "packs/v1/text/mood-1.ecpack": "e9c056bdd0067fd91a7774aee24e3af29e3ca1c1614f63bbbf060565c7423db2",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_golden_file_is_never_written_again(name: str) -> None:
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize(
    ("path", "version", "prefix_length", "rank", "labels"),
    [
        (IMAGE_PACKS / "leaves-1.ecpack", 1, 3, 0, ("healthy", "rust", "spot")),
        (IMAGE_PACKS / "steel-2.ecpack", 2, 2, 4, ("good", "scratched")),
        (IMAGE_PACKS / "plain-1.ecpack", 1, 0, 0, ("größer", "kleiner")),
        (TEXT_PACKS / "mood-1.ecpack", 1, 3, 2, ("bad", "good")),
        (IMAGE_INT8_PACKS / "rust-1.ecpack", 1, 3, 2, ("clean", "rust")),
        (TEXT_INT8_PACKS / "tone-3.ecpack", 3, 2, 0, ("down", "up")),
    ],
)
def test_a_golden_pack_opens(
    path: Path, version: int, prefix_length: int, rank: int, labels: tuple[str, ...]
) -> None:
    pack = read_pack(path)
    assert (pack.manifest.version, pack.manifest.labels) == (version, labels)
    assert (pack.tensors.prefix_length, pack.tensors.rank) == (prefix_length, rank)
    assert pack.manifest.metrics == {"accuracy_percent": 87.5}


@pytest.mark.parametrize(
    ("folder", "packs"),
    [
        (IMAGE_BUNDLE, IMAGE_PACKS),
        (TEXT_BUNDLE, TEXT_PACKS),
        (IMAGE_BUNDLE, IMAGE_INT8_PACKS),
        (TEXT_BUNDLE, TEXT_INT8_PACKS),
    ],
)
def test_a_golden_pack_gives_the_features_it_gave(folder: Path, packs: Path) -> None:
    runtime = Runtime.open(folder, packs)
    assert all(runtime.verify(task) < 1e-4 for task in runtime.tasks)


@pytest.mark.parametrize("folder", [IMAGE_BUNDLE, TEXT_BUNDLE])
def test_a_golden_bundle_opens(folder: Path) -> None:
    assert read_bundle(folder).format_version == 1
