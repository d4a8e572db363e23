from __future__ import annotations

import hashlib

import numpy as np

from edgecl_runtime import ImagePreprocessing, TextPreprocessing, probe_inputs

IMAGE = ImagePreprocessing(8, "exact", 8, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
TEXT = TextPreprocessing(max_tokens=20, pad_id=0, vocab_size=100)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def test_the_noise_is_the_same_for_ever() -> None:
    pixel_values = probe_inputs(IMAGE, (0, 1))["pixel_values"]
    assert pixel_values.shape == (2, 3, 8, 8)
    assert pixel_values.dtype == np.float32
    assert digest(pixel_values) == "639b0b7e50177052"


def test_the_tokens_are_the_same_for_ever() -> None:
    inputs = probe_inputs(TEXT, (0, 1, 2, 3))
    assert inputs["attention_mask"].sum(axis=1).tolist() == [11, 20, 8, 20]
    assert digest(inputs["input_ids"]) == "289ec939957327fe"


def test_tokens_are_ones_the_backbone_knows() -> None:
    input_ids = probe_inputs(TEXT, range(50))["input_ids"]
    assert (input_ids.min(), input_ids.max()) == (0, 99)


def test_a_row_depends_on_its_own_seed_alone() -> None:
    both = probe_inputs(IMAGE, (5, 9))["pixel_values"]
    np.testing.assert_array_equal(both[1], probe_inputs(IMAGE, (9,))["pixel_values"][0])
    assert not np.array_equal(both[0], both[1])
