from __future__ import annotations

import json
from typing import Any

import pytest

from edgecl_runtime import Dimensions, FieldError, PackManifest
from tests.runtime.factories import make_manifest


def test_a_manifest_comes_back_from_json() -> None:
    manifest = make_manifest(metrics={"accuracy_percent": 91.5}, parent="leaves-1", device_class="orin")
    assert PackManifest.from_json(json.loads(manifest.to_text())) == manifest


def test_the_digest_is_the_first_key() -> None:
    assert make_manifest().to_text().startswith('{"header_sha256":"')


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", True),
        ("format_version", 0),
        ("task", ""),
        ("task", "../evil"),
        ("task", ".hidden"),
        ("task", "a" * 65),
        ("task", "two words"),
        ("version", 0),
        ("version", 1.0),
        ("min_runtime", "1.0"),
        ("min_runtime", "1.0.0-rc1"),
        ("device_class", ""),
        ("fingerprint", "abc"),
        ("labels", ["only one"]),
        ("labels", ["twice", "twice"]),
        ("labels", ["", "b"]),
        ("labels", "ab"),
        ("attention", "linear"),
        ("tensors", {"a": {"dtype": "F64", "shape": [1]}}),
        ("tensors", {"a": {"dtype": "F16", "shape": [-1]}}),
        ("tensors", {"a": {"dtype": "F16", "shape": [65_537]}}),
        ("tensors", {"a": {"dtype": "F16", "shape": []}}),
        ("tensors_sha256", None),
        ("head", {"kind": "cosine"}),
        ("head", {"kind": "linear", "bias": True}),
        ("parent", 3),
        ("metrics", {"accuracy": "high"}),
        ("metrics", {"accuracy": float("nan")}),
        ("probe", {"seeds": [], "tolerance": {}}),
        ("probe", {"seeds": [-1], "tolerance": {}}),
        ("probe", {"seeds": [1], "tolerance": {"fp32": 0}}),
        ("provenance", {"method": "x"}),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_key(key: str, value: object) -> None:
    data: dict[str, Any] = {**make_manifest().to_json(), key: value}
    with pytest.raises(FieldError, match=f"manifest.{key}"):
        PackManifest.from_json(data)


def test_an_unknown_key_is_refused_by_its_name() -> None:
    with pytest.raises(FieldError, match=r"manifest.colour: found an unknown key"):
        PackManifest.from_json({**make_manifest().to_json(), "colour": "red"})


def test_a_missing_key_is_refused_by_its_name() -> None:
    data = make_manifest().to_json()
    del data["labels"]
    with pytest.raises(FieldError, match=r"manifest.labels: found nothing"):
        PackManifest.from_json(data)


def test_dimensions_come_back_from_json() -> None:
    dimensions = Dimensions(layers=12, width=192, heads=3, head_dim=64)
    assert Dimensions.from_json(dimensions.to_json()) == dimensions
