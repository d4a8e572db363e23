from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edgecl_runtime import (
    BundleDigestError,
    BundleFormatError,
    BundleTooNewError,
    FieldError,
    Profile,
    read_bundle,
    write_bundle,
)
from tests.runtime.factories import DIMENSIONS, IMAGE_BUNDLE, TEXT_BUNDLE, copy_bundle, edit_json


def test_a_bundle_says_what_a_pack_must_fit() -> None:
    bundle = read_bundle(IMAGE_BUNDLE)
    assert (bundle.dimensions, bundle.attention, bundle.modality) == (DIMENSIONS, "concat", "image")
    assert bundle.profile == Profile("generic-cpu", ("CPUExecutionProvider",), "fp32")
    assert bundle.graph_path == IMAGE_BUNDLE / "backbone.onnx"


def test_a_bundle_comes_back_from_its_folder(tmp_path: Path) -> None:
    source = read_bundle(TEXT_BUNDLE)
    for name in ("backbone.onnx", "tokenizer.json"):
        shutil.copy(TEXT_BUNDLE / name, tmp_path)
    written = write_bundle(
        tmp_path,
        fingerprint=source.fingerprint,
        backbone=source.backbone,
        dimensions=source.dimensions,
        attention=source.attention,
        pooling=source.pooling,
        preprocessing=source.preprocessing,
        versions=source.versions,
    )
    assert read_bundle(tmp_path) == written
    assert (tmp_path / "bundle.json").read_bytes() == (TEXT_BUNDLE / "bundle.json").read_bytes()


def test_the_explicit_twin_is_listed_when_it_is_there(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    (bundle.path / "backbone.explicit.onnx").write_bytes(b"twin")
    values: dict[str, Any] = {
        "fingerprint": bundle.fingerprint,
        "backbone": "b",
        "attention": "concat",
        "pooling": "cls",
    }
    written = write_bundle(bundle.path, dimensions=DIMENSIONS, preprocessing=bundle.preprocessing, **values)
    assert sorted(written.files) == ["backbone.explicit.onnx", "backbone.onnx"]


def test_a_folder_without_a_graph_gets_no_bundle_json(tmp_path: Path) -> None:
    source = read_bundle(IMAGE_BUNDLE)
    values: dict[str, Any] = {
        "fingerprint": source.fingerprint,
        "backbone": "b",
        "attention": "concat",
        "pooling": "cls",
    }
    with pytest.raises(BundleFormatError, match=r"backbone.onnx: found no file"):
        write_bundle(tmp_path, dimensions=DIMENSIONS, preprocessing=source.preprocessing, **values)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_value_is_not_written(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    values: dict[str, Any] = {
        "fingerprint": "short",
        "backbone": "b",
        "attention": "concat",
        "pooling": "cls",
    }
    with pytest.raises(FieldError, match="fingerprint"):
        write_bundle(bundle.path, dimensions=DIMENSIONS, preprocessing=bundle.preprocessing, **values)


def test_a_missing_bundle_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(
        BundleFormatError, match=r"bundle.json: found no readable file.*edgecl export RUN --out BUNDLE"
    ):
        read_bundle(tmp_path / "nowhere")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    bundle.graph_path.unlink()
    with pytest.raises(BundleFormatError, match=r"backbone.onnx: found no file"):
        read_bundle(bundle.path)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    raw = bytearray(bundle.graph_path.read_bytes())
    raw[5000] ^= 1
    bundle.graph_path.write_bytes(raw)
    with pytest.raises(BundleDigestError, match=r"backbone.onnx: found sha256") as caught:
        read_bundle(bundle.path)
    assert caught.value.exit_code == 5


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    bundle.graph_path.write_bytes(b"short")
    with pytest.raises(BundleDigestError, match="found 5 bytes"):
        read_bundle(bundle.path)


def test_a_newer_format_names_the_version_to_install(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(
        bundle.path / "bundle.json", lambda value: value.update(format_version=2, min_runtime="0.1.0", new=1)
    )
    with pytest.raises(BundleTooNewError, match=r'format 2, .* pip install "edgecl-runtime>=0.1.0"'):
        read_bundle(bundle.path)


def test_a_bundle_for_a_newer_runtime_names_the_version_to_install(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(bundle.path / "bundle.json", lambda value: value.update(min_runtime="7.0.0"))
    with pytest.raises(BundleTooNewError, match=r'pip install "edgecl-runtime>=7.0.0"'):
        read_bundle(bundle.path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("colour", "red"),
        ("fingerprint", "x"),
        ("modality", "text"),
        ("attention", "other"),
        ("dimensions", {"layers": 2}),
        ("preprocessing", {"modality": "image"}),
        ("profile", {"name": "x", "providers": [], "precision": "fp32"}),
        ("files", {}),
        ("files", {"../evil": {"sha256": "0" * 64, "size_bytes": 1}}),
        ("files", {"sub/evil": {"sha256": "0" * 64, "size_bytes": 1}}),
        ("files", {"other": {"sha256": "0" * 64, "size_bytes": 1}}),
        ("versions", {"torch": 2}),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_key(tmp_path: Path, key: str, value: Any) -> None:
    bundle = copy_bundle(tmp_path)
    edit_json(bundle.path / "bundle.json", lambda content: content.update({key: value}))
    with pytest.raises(BundleFormatError, match=rf"bundle.json: .*{key}"):
        read_bundle(bundle.path)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"a":1,"a":1}', b"{" * 5000, b" " * 300_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, raw: bytes) -> None:
    bundle = copy_bundle(tmp_path)
    (bundle.path / "bundle.json").write_bytes(raw)
    with pytest.raises(BundleFormatError, match=r"bundle.json"):
        read_bundle(bundle.path)
