from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecl_runtime import (
    InputError,
    PackDigestError,
    PackFormatError,
    PackMismatchError,
    PackTooNewError,
    Provenance,
    encode_pack,
    parse_pack,
    read_bundle,
    read_pack,
    write_pack,
)
from edgecl_runtime.tensors import TASK_TENSORS
from tests.runtime.factories import (
    IMAGE_BUNDLE,
    TEXT_BUNDLE,
    forge,
    make_manifest,
    make_pack,
    make_tensors,
    split,
)

OPEN_FILES = Path("/proc/self/fd")
PROBE = np.ones((2, 8), np.float32)


def test_a_pack_comes_back_from_its_file(tmp_path: Path) -> None:
    tensors = make_tensors()
    path = write_pack(tmp_path / "leaves-1.ecpack", make_manifest(), tensors, PROBE)
    pack = read_pack(path)
    assert (pack.path, pack.size_bytes, pack.manifest.task) == (path, path.stat().st_size, "leaves")
    for name in TASK_TENSORS:
        np.testing.assert_array_equal(getattr(pack.tensors, name), getattr(tensors, name))
    np.testing.assert_array_equal(pack.probe_features, PROBE)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    prefix_length=st.integers(0, 9),
    rank=st.integers(0, 9),
    labels=st.lists(st.text('aäZ 9漢😀"\\/', min_size=1), min_size=2, max_size=5, unique=True),
    dtype=st.sampled_from(["F16", "F32"]),
)
def test_any_task_comes_back_as_it_was(
    seed: int, prefix_length: int, rank: int, labels: list[str], dtype: str
) -> None:
    tensors = make_tensors(
        seed=seed, prefix_length=prefix_length, rank=rank, classes=len(labels), dtype=dtype
    )
    manifest = make_manifest(labels=tuple(labels))
    pack = parse_pack(encode_pack(manifest, tensors, PROBE), "memory")
    assert pack.manifest.labels == manifest.labels
    assert all((getattr(pack.tensors, name) == getattr(tensors, name)).all() for name in TASK_TENSORS)


def test_equal_arguments_give_equal_bytes() -> None:
    assert make_pack() == make_pack()


def test_what_is_encoded_again_is_the_same_file() -> None:
    raw = make_pack()
    pack = parse_pack(raw, "memory")
    assert encode_pack(pack.manifest, pack.tensors, pack.probe_features) == raw


def test_another_safetensors_reader_sees_the_same_tensors(tmp_path: Path) -> None:
    from safetensors.numpy import load

    loaded = load(make_pack())
    np.testing.assert_array_equal(loaded["head_weight"], make_tensors().head_weight)


def test_tensors_are_read_only_views_of_the_mapped_file(tmp_path: Path) -> None:
    pack = read_pack(write_pack(tmp_path / "a.ecpack", make_manifest(), make_tensors(), PROBE))
    assert pack.tensors.head_weight.dtype == np.float16
    assert not pack.tensors.head_weight.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        pack.tensors.head_weight[0, 0] = 1


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="this system does not show the files of a process")
def test_packs_that_are_open_hold_no_descriptor(tmp_path: Path) -> None:
    path = write_pack(tmp_path / "a.ecpack", make_manifest(), make_tensors(), PROBE)
    before = len(list(OPEN_FILES.iterdir()))
    packs = [read_pack(path) for _ in range(300)]
    assert len(list(OPEN_FILES.iterdir())) == before
    assert len(packs) == 300


def test_a_pack_outlives_the_removal_of_its_file(tmp_path: Path) -> None:
    path = write_pack(tmp_path / "a.ecpack", make_manifest(), make_tensors(), PROBE)
    pack = read_pack(path)
    path.unlink()
    np.testing.assert_array_equal(pack.tensors.head_bias, make_tensors().head_bias)


def test_a_pack_fits_its_bundle() -> None:
    assert parse_pack(make_pack(), "a", bundle=read_bundle(IMAGE_BUNDLE)).manifest.task == "leaves"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"fingerprint": "ab" * 32}, "backbone abababababab"),
        ({"attention": "additive"}, "attention additive"),
        ({"layers": 3}, "layers 3"),
        ({"width": 16}, "width 16"),
        ({"heads": 1}, "heads 1"),
        ({"head_dim": 8}, "head_dim 8"),
    ],
)
def test_a_pack_for_another_backbone_is_refused(change: dict[str, Any], found: str) -> None:
    bundle = read_bundle(IMAGE_BUNDLE)
    sizes = {name: value for name, value in change.items() if hasattr(bundle.dimensions, name)}
    tensors = make_tensors(dimensions=replace(bundle.dimensions, **sizes))
    other = {name: value for name, value in change.items() if name not in sizes}
    with pytest.raises(
        PackMismatchError, match=f"a.ecpack: built for {found}.*--task leaves --bundle"
    ) as caught:
        parse_pack(make_pack(tensors=tensors, **other), "a.ecpack", bundle=bundle)
    assert caught.value.exit_code == 3


def test_a_pack_of_the_text_backbone_does_not_fit_the_image_backbone() -> None:
    raw = make_pack(fingerprint=read_bundle(TEXT_BUNDLE).fingerprint)
    with pytest.raises(PackMismatchError, match="built for backbone"):
        parse_pack(raw, "a", bundle=read_bundle(IMAGE_BUNDLE))


def test_a_pack_for_a_newer_runtime_names_the_version_to_install() -> None:
    with pytest.raises(PackTooNewError, match=r'pip install "edgecl-runtime>=9.1.0"'):
        parse_pack(make_pack(min_runtime="9.1.0"), "a")


def test_a_newer_format_is_told_from_a_damaged_one() -> None:
    raw = forge(make_pack(), manifest=lambda said: said.update(format_version=3, min_runtime="0.1.0", news=1))
    with pytest.raises(PackTooNewError, match="found format 3, expected format 2 or older"):
        parse_pack(raw, "a")


def test_a_flipped_bit_in_the_tensors_is_a_wrong_digest() -> None:
    raw = bytearray(make_pack())
    raw[-1] ^= 1
    with pytest.raises(PackDigestError, match="a: tensors: sha256 is") as caught:
        parse_pack(bytes(raw), "a")
    assert caught.value.exit_code == 5


def test_a_flipped_bit_in_the_manifest_is_a_wrong_digest() -> None:
    raw = make_pack().replace(b"healthy", b"healthz")
    with pytest.raises(PackDigestError, match="a: header: sha256 is"):
        parse_pack(raw, "a")


def test_every_flipped_bit_of_a_pack_is_refused() -> None:
    raw = make_pack(tensors=make_tensors(prefix_length=1, rank=1))
    for bit in range(0, len(raw) * 8, 7):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises((PackFormatError, PackDigestError)):
            parse_pack(bytes(damaged), "a")


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PackFormatError, match=r"gone.ecpack: found no readable file"):
        read_pack(tmp_path / "gone.ecpack")


def test_a_folder_is_not_a_pack(tmp_path: Path) -> None:
    with pytest.raises(PackFormatError, match="no regular file"):
        read_pack(tmp_path)


@pytest.mark.parametrize(
    ("features", "found"),
    [
        (np.ones((2, 8)), "float64"),
        (np.ones((3, 8), np.float32), r"\[3, 8\]"),
        (np.full((2, 8), np.nan, np.float32), "expected finite"),
    ],
)
def test_wrong_probe_features_are_not_written(features: np.ndarray, found: str) -> None:
    with pytest.raises(InputError, match=f"probe_features: .*{found}"):
        encode_pack(make_manifest(), make_tensors(), features)


def test_float64_tensors_are_not_written() -> None:
    tensors = make_tensors()
    wide = replace(tensors, head_bias=tensors.head_bias.astype(np.float64))
    with pytest.raises(InputError, match="head_bias: found float64"):
        encode_pack(make_manifest(), wide, PROBE)


def test_tensors_that_are_not_finite_are_not_written() -> None:
    tensors = make_tensors()
    tensors.prefix_v[0, 0, 0, 0] = np.inf
    with pytest.raises(InputError, match="prefix_v: found NaN or Infinity"):
        encode_pack(make_manifest(), tensors, PROBE)


def test_a_head_with_another_number_of_classes_is_not_written() -> None:
    with pytest.raises(InputError, match=r"head_weight: found shape \[3, 8\]"):
        encode_pack(make_manifest(), make_tensors(classes=3), PROBE)


def test_a_wrong_manifest_is_not_written() -> None:
    with pytest.raises(InputError, match=r"manifest.task"):
        encode_pack(make_manifest(task="no/slash"), make_tensors(), PROBE)


@pytest.mark.parametrize("value", [{1, 2}, float("nan")])
def test_a_config_that_is_not_json_is_not_written(value: object) -> None:
    manifest = make_manifest(provenance=Provenance("test", {"value": value}, "none", {}))
    with pytest.raises(InputError, match="not JSON"):
        encode_pack(manifest, make_tensors(), PROBE)


def test_a_manifest_that_no_reader_would_take_is_not_written() -> None:
    manifest = make_manifest(provenance=Provenance("test", {"log": "x" * 300_000}, "none", {}))
    with pytest.raises(InputError, match="expected at most 256000"):
        encode_pack(manifest, make_tensors(), PROBE)


def test_the_header_begins_as_the_format_page_says() -> None:
    header, data = split(make_pack())
    assert header.startswith(b'{"__metadata__":{"edgecl":"{\\"header_sha256\\":\\"')
    assert len(header) % 8 == 0
    assert len(data) == sum(array.nbytes for _, array in make_tensors().items()) + PROBE.nbytes
