from __future__ import annotations

from typing import Any

import pytest

from edgecl_runtime import FieldError, ImagePreprocessing, TextPreprocessing, parse_preprocessing

IMAGE = ImagePreprocessing(224, "shortest_edge", 256, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
TEXT = TextPreprocessing(max_tokens=128, pad_id=0, vocab_size=30_522)


@pytest.mark.parametrize("spec", [IMAGE, TEXT])
def test_a_spec_comes_back_from_json(spec: ImagePreprocessing | TextPreprocessing) -> None:
    assert parse_preprocessing(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("modality", "audio"),
        ("size", 0),
        ("size", 224.0),
        ("resize", "stretch"),
        ("resize_to", 223),
        ("interpolation", "cubic"),
        ("mean", [0.5]),
        ("mean", "abc"),
        ("std", [0.5, 0.5, 0]),
        ("std", [0.5, 0.5, float("nan")]),
        ("colour", "BGR"),
    ],
)
def test_a_wrong_image_value_is_refused_by_the_name_of_its_key(key: str, value: Any) -> None:
    with pytest.raises(FieldError, match=f"preprocessing.{key}"):
        parse_preprocessing({**IMAGE.to_json(), key: value})


@pytest.mark.parametrize(("key", "value"), [("max_tokens", 0), ("pad_id", 30_522), ("vocab_size", True)])
def test_a_wrong_text_value_is_refused_by_the_name_of_its_key(key: str, value: Any) -> None:
    with pytest.raises(FieldError, match=f"preprocessing.{key}"):
        parse_preprocessing({**TEXT.to_json(), key: value})


def test_an_exact_resize_has_one_size() -> None:
    with pytest.raises(
        FieldError, match=r"preprocessing.resize_to: found 256, expected an integer from 224 to 224"
    ):
        parse_preprocessing({**IMAGE.to_json(), "resize": "exact"})
