from __future__ import annotations

from edgecl_runtime import Dimensions, ImagePreprocessing, TextPreprocessing
from edgecl_runtime.tensorrt import Limits, shape_profile
from edgecl_runtime.tensors import GRAPH_INPUTS

DIMENSIONS = Dimensions(layers=6, width=192, heads=3, head_dim=64)
IMAGE = ImagePreprocessing(64, "exact", 64, "bicubic", (0.5,) * 3, (0.5,) * 3)
TEXT = TextPreprocessing(max_tokens=128, pad_id=0, vocab_size=100)
LIMITS = Limits(batch=4, prefixes=10, rank=16)


def test_the_smallest_call_has_one_row_and_no_task() -> None:
    profile = shape_profile(IMAGE, DIMENSIONS, LIMITS)
    assert {name: shapes.smallest for name, shapes in profile.items()} == {
        "pixel_values": (1, 3, 64, 64),
        "prefix_k": (6, 1, 3, 0, 64),
        "prefix_v": (6, 1, 3, 0, 64),
        "prefix_bias": (1, 1, 1, 0),
        "adapter_down": (6, 1, 192, 0),
        "adapter_down_bias": (6, 1, 1, 0),
        "adapter_up": (6, 1, 0, 192),
        "adapter_up_bias": (6, 1, 1, 192),
    }


def test_the_largest_call_has_the_largest_task_in_every_row() -> None:
    profile = shape_profile(IMAGE, DIMENSIONS, LIMITS)
    assert {name: shapes.largest for name, shapes in profile.items()} == {
        "pixel_values": (4, 3, 64, 64),
        "prefix_k": (6, 4, 3, 10, 64),
        "prefix_v": (6, 4, 3, 10, 64),
        "prefix_bias": (4, 1, 1, 10),
        "adapter_down": (6, 4, 192, 16),
        "adapter_down_bias": (6, 4, 1, 16),
        "adapter_up": (6, 4, 16, 192),
        "adapter_up_bias": (6, 4, 1, 192),
    }


def test_the_usual_call_has_one_task_for_all_rows() -> None:
    profile = shape_profile(IMAGE, DIMENSIONS, LIMITS)
    assert profile["pixel_values"].usual == (4, 3, 64, 64)
    assert profile["adapter_up"].usual == (6, 1, 16, 192)


def test_texts_have_from_one_to_all_tokens() -> None:
    profile = shape_profile(TEXT, DIMENSIONS, LIMITS)
    assert (profile["input_ids"].smallest, profile["attention_mask"].largest) == ((1, 1), (4, 128))
    assert list(profile) == ["input_ids", "attention_mask", *sorted(GRAPH_INPUTS, key=GRAPH_INPUTS.index)]
