from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecl_runtime import (
    BundleFormatError,
    InputError,
    MissingExtraError,
    Preprocessor,
    TextPreprocessing,
    build_preprocessor,
)
from tests.runtime.factories import TEXT_BUNDLE, edit_json

SPEC = TextPreprocessing(max_tokens=6, pad_id=0, vocab_size=32)


def build(spec: TextPreprocessing = SPEC, folder: Path = TEXT_BUNDLE) -> Preprocessor:
    return build_preprocessor(spec, folder=folder)


def test_a_text_becomes_tokens_between_its_special_ones() -> None:
    (tokens,) = build().prepare(["The CAT sits"])
    assert tokens.tolist() == [2, 4, 6, 8, 3]
    assert tokens.dtype == np.int32


def test_a_long_text_is_cut_with_its_special_tokens_kept() -> None:
    (tokens,) = build().prepare(["the cat sits the dog runs"])
    assert tokens.tolist() == [2, 4, 6, 8, 4, 3]


def test_an_unknown_word_is_a_token_too() -> None:
    assert build().prepare(["zebra"])[0].tolist() == [2, 1, 3]


def test_an_empty_text_is_its_special_tokens() -> None:
    assert build().prepare([""])[0].tolist() == [2, 3]


def test_an_empty_text_without_special_tokens_is_one_token(tmp_path: Path) -> None:
    shutil.copy(TEXT_BUNDLE / "tokenizer.json", tmp_path)
    edit_json(tmp_path / "tokenizer.json", lambda value: value.update(post_processor=None))
    batch = build(folder=tmp_path).batch(build(folder=tmp_path).prepare([""]))
    assert batch["attention_mask"].tolist() == [[1]]


def test_a_batch_is_padded_to_its_longest_text() -> None:
    ready = build(replace(SPEC, pad_id=5))
    batch = ready.batch(ready.prepare(["the cat", "dog"]))
    assert batch["input_ids"].tolist() == [[2, 4, 6, 3], [2, 7, 3, 5]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}


def test_an_empty_batch_has_no_rows() -> None:
    assert build().batch([])["input_ids"].shape == (0, 0)


@pytest.mark.parametrize("item", [None, b"bytes", 3, Path("a.txt"), ["nested"]])
def test_what_is_no_text_is_refused(item: object) -> None:
    with pytest.raises(InputError, match=f"a text cannot be a {type(item).__name__}; pass a str"):
        build().prepare([item])


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be encoded as UTF-8"):
        build().prepare(["a\ud800"])


def test_padding_in_the_file_does_not_count(tmp_path: Path) -> None:
    padding = {
        "strategy": {"Fixed": 9},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    shutil.copy(TEXT_BUNDLE / "tokenizer.json", tmp_path)
    edit_json(tmp_path / "tokenizer.json", lambda value: value.update(padding=padding))
    assert build(folder=tmp_path).prepare(["cat"])[0].tolist() == [2, 6, 3]


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match=r"tokenizer.json: found no file"):
        build(folder=tmp_path)


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"version": "1.0"})])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleFormatError, match=r"tokenizer.json: found no tokenizer"):
        build(folder=tmp_path)


def test_a_tokenizer_with_ids_the_backbone_does_not_know_is_refused() -> None:
    with pytest.raises(
        BundleFormatError, match="found the token id 13, expected ids below the backbone's 13"
    ):
        build(replace(SPEC, vocab_size=13))


def test_there_must_be_room_for_more_than_special_tokens() -> None:
    with pytest.raises(BundleFormatError, match="found 2 special tokens, expected fewer than max_tokens, 2"):
        build(replace(SPEC, max_tokens=2))


def test_missing_tokenizers_name_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "edgecl-runtime\[text\]"'):
        build()
