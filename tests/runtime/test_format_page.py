"""A second reader, written from docs/pack-format.md alone, agrees with ours on the golden packs."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecl_runtime import ImagePreprocessing, probe_inputs, read_pack
from tests.runtime.factories import IMAGE_INT8_PACKS, IMAGE_PACKS, TEXT_INT8_PACKS, TEXT_PACKS

FIRST = rb'{"__metadata__":{"edgecl":"{\"header_sha256\":\"'
FOLDERS = (IMAGE_PACKS, TEXT_PACKS, IMAGE_INT8_PACKS, TEXT_INT8_PACKS)
PACKS = sorted(path for folder in FOLDERS for path in folder.iterdir())


def read_by_the_page(raw: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    (size,) = struct.unpack_from("<Q", raw)
    header, data = raw[8 : 8 + size], raw[8 + size :]
    start = len(FIRST)
    assert header.startswith(FIRST)
    zeroed = raw[: 8 + start] + b"0" * 64 + header[start + 64 :]
    assert hashlib.sha256(zeroed).hexdigest().encode() == header[start : start + 64]
    table = json.loads(header)
    manifest = json.loads(table.pop("__metadata__")["edgecl"])
    assert hashlib.sha256(data).hexdigest() == manifest["tensors_sha256"]
    types = {"F16": "<f2", "F32": "<f4", "I8": "i1"}
    tensors = {}
    for name, entry in table.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    for name, axis in {"prefix_k": 3, "prefix_v": 3, "adapter_down": 1, "adapter_up": 2}.items():
        if manifest["format_version"] == 2:
            scales = np.expand_dims(tensors.pop(f"{name}_scale"), axis)
            tensors[name] = tensors[name].astype(np.float32) * scales
    return manifest, tensors


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.stem)
def test_two_readers_agree(path: Path) -> None:
    manifest, tensors = read_by_the_page(path.read_bytes())
    pack = read_pack(path)
    assert pack.manifest.to_json() == manifest
    np.testing.assert_array_equal(tensors.pop("probe_features"), pack.probe_features)
    for name, array in pack.tensors.items():
        np.testing.assert_array_equal(tensors.pop(name), array)
    assert tensors == {}


def test_keys_stand_in_the_order_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pack-format.md").read_text(encoding="utf-8")
    rows = page.partition("| key | value |")[2].partition("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in row.split("|")[1].replace("`", "").replace(",", " ").split()]
    assert named == list(read_by_the_page(PACKS[0].read_bytes())[0])


def test_the_noise_is_that_of_the_page() -> None:
    spec = ImagePreprocessing(8, "exact", 8, "box", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    stream = hashlib.shake_256(b"edgecl probe 1 image 7").digest(8 * 8 * 3)
    pixels = np.frombuffer(stream, np.uint8).reshape(8, 8, 3).transpose(2, 0, 1)
    noise = probe_inputs(spec, (7,))["pixel_values"][0]
    np.testing.assert_array_equal((noise * 255).round().astype(np.uint8), pixels)
