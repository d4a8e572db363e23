from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import BertConfig

from edgecl.backbones.preprocessing import (
    checkpoint_file,
    image_preprocessing,
    text_pooling,
    text_preprocessing,
)
from edgecl.errors import BackboneError
from edgecl_runtime.preprocess import TextPreprocessing
from tests.edgecl.factories import edit_json, make_image_folder, make_text_folder


def image_folder(folder: Path, **declared: Any) -> str:
    edit_json(make_image_folder(folder) / "preprocessor_config.json", **declared)
    return str(folder)


def read_texts(
    folder: Path, *, positions: int = 512, max_tokens: int | None = None, pad_token_id: int | None = 0
) -> TextPreprocessing:
    config = BertConfig(vocab_size=12, max_position_embeddings=positions, pad_token_id=pad_token_id)
    return text_preprocessing(str(folder), config=config, max_tokens=max_tokens)[0]


def test_an_image_is_resized_to_the_square_unless_it_is_cropped(tmp_path: Path) -> None:
    found = image_preprocessing(image_folder(tmp_path), size=48)
    assert (found.resize, found.resize_to, found.size) == ("exact", 48, 48)


@pytest.mark.parametrize(("size", "resize_to"), [(224, 256), (112, 128), (98, 112)])
def test_a_crop_keeps_its_proportion_at_other_sizes(tmp_path: Path, size: int, resize_to: int) -> None:
    folder = image_folder(
        tmp_path,
        do_center_crop=True,
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
    )
    found = image_preprocessing(folder, size=size)
    assert (found.resize, found.resize_to) == ("shortest_edge", resize_to)


def test_sizes_may_be_plain_numbers(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, do_center_crop=True, size=256, crop_size=224)
    assert image_preprocessing(folder, size=224).resize_to == 256


@pytest.mark.parametrize(
    ("resample", "name"), [(0, "nearest"), (1, "lanczos"), (2, "bilinear"), (3, "bicubic")]
)
def test_the_filter_is_the_one_that_the_checkpoint_names(tmp_path: Path, resample: int, name: str) -> None:
    assert image_preprocessing(image_folder(tmp_path, resample=resample), size=32).interpolation == name


@pytest.mark.parametrize("key", ["image_mean", "image_std"])
def test_a_checkpoint_without_its_normalisation_is_refused(tmp_path: Path, key: str) -> None:
    folder = image_folder(tmp_path, **{key: None})
    with pytest.raises(BackboneError, match="image_mean and image_std is missing") as caught:
        image_preprocessing(folder, size=32)
    assert caught.value.exit_code == 1


def test_a_checkpoint_without_preprocessing_is_refused(tmp_path: Path) -> None:
    (make_image_folder(tmp_path) / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneError, match="preprocessor_config.json with image_mean .* Add the file"):
        image_preprocessing(str(tmp_path), size=32)


def test_grey_normalisation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="expected three values each"):
        image_preprocessing(image_folder(tmp_path, image_mean=[0.5]), size=32)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_preprocessing_that_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    (make_image_folder(tmp_path) / "preprocessor_config.json").write_text(content, encoding="utf-8")
    with pytest.raises(BackboneError, match="preprocessor_config.json: "):
        image_preprocessing(str(tmp_path), size=32)


def test_texts_are_cut_at_128_tokens_unless_the_model_reads_fewer(tmp_path: Path) -> None:
    folder = make_text_folder(tmp_path)
    assert read_texts(folder).max_tokens == 128
    assert read_texts(folder, positions=24).max_tokens == 24
    assert read_texts(folder, max_tokens=256).max_tokens == 256


@pytest.mark.parametrize("max_tokens", [-1, 0, 2, 25])
def test_a_length_that_the_model_cannot_read_is_refused(tmp_path: Path, max_tokens: int) -> None:
    folder = make_text_folder(tmp_path)
    with pytest.raises(BackboneError, match=f"max_tokens is {max_tokens}, expected 3 to 24"):
        read_texts(folder, positions=24, max_tokens=max_tokens)


@pytest.mark.parametrize("token", ["purrs", {"content": "purrs", "lstrip": False}])
def test_the_padding_token_is_the_one_that_the_tokenizer_names(tmp_path: Path, token: object) -> None:
    folder = make_text_folder(tmp_path)
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    edit_json(folder / "tokenizer_config.json", pad_token=token)
    assert read_texts(folder).pad_id == 5


def declare_no_padding(folder: Path) -> Path:
    (make_text_folder(folder) / "tokenizer_config.json").write_text('{"pad_token": null}', encoding="utf-8")
    return folder


def test_without_a_named_padding_token_the_special_tokens_name_it(tmp_path: Path) -> None:
    folder = declare_no_padding(tmp_path)
    (folder / "special_tokens_map.json").write_text('{"pad_token": "purrs"}', encoding="utf-8")
    assert read_texts(folder).pad_id == 5


def test_without_special_tokens_the_tokenizer_pads_as_it_says(tmp_path: Path) -> None:
    folder = declare_no_padding(tmp_path)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=4, pad_token="cat")
    tokenizer.save(str(folder / "tokenizer.json"))
    assert read_texts(folder).pad_id == 4


def test_without_a_word_of_the_tokenizer_the_model_says_how_it_was_padded(tmp_path: Path) -> None:
    assert read_texts(declare_no_padding(tmp_path), pad_token_id=6).pad_id == 6


def test_a_checkpoint_that_nowhere_names_padding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"found pad_token null .* Name a token of the vocabulary there"):
        read_texts(declare_no_padding(tmp_path), pad_token_id=None)


@pytest.mark.parametrize("pad_token_id", [-1, 12])
def test_padding_that_the_model_does_not_know_is_refused(tmp_path: Path, pad_token_id: int) -> None:
    with pytest.raises(BackboneError, match=f"the padding token is {pad_token_id}, expected 0 to 11"):
        read_texts(declare_no_padding(tmp_path), pad_token_id=pad_token_id)


@pytest.mark.parametrize("token", [7, ["[PAD]"], {"content": 7}])
def test_a_padding_token_that_is_no_text_is_refused(tmp_path: Path, token: object) -> None:
    folder = make_text_folder(tmp_path)
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": token}), encoding="utf-8")
    with pytest.raises(BackboneError, match="expected the text of a token or null"):
        read_texts(folder)


def test_a_text_checkpoint_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    (make_text_folder(tmp_path) / "tokenizer.json").unlink()
    with pytest.raises(BackboneError, match="tokenizer.json is missing. Save the fast tokenizer"):
        read_texts(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff"])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    (make_text_folder(tmp_path) / "tokenizer.json").write_bytes(content)
    with pytest.raises(BackboneError, match="tokenizer.json: "):
        read_texts(tmp_path)


@pytest.mark.parametrize(("declared", "pooling"), [("mean_tokens", "mean"), ("cls_token", "cls")])
def test_pooling_is_what_sentence_transformers_declare(tmp_path: Path, declared: str, pooling: str) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(
        f'{{"pooling_mode_{declared}": true}}', encoding="utf-8"
    )
    assert text_pooling(str(tmp_path), default="cls") == pooling


def test_without_a_declaration_pooling_is_the_default(tmp_path: Path) -> None:
    assert text_pooling(str(tmp_path), default="mean") == "mean"


def test_a_tokenizer_with_more_words_than_the_model_is_refused(tmp_path: Path) -> None:
    folder, config = make_text_folder(tmp_path), BertConfig(vocab_size=9)
    with pytest.raises(BackboneError, match="the token id 11, expected ids below the model's 9"):
        text_preprocessing(str(folder), config=config, max_tokens=None)


def test_a_spread_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="preprocessing.std"):
        image_preprocessing(image_folder(tmp_path, image_std=[0.5, 0.5, 0.0]), size=32)


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert checkpoint_file(str(tmp_path), "tokenizer.json") is None


@pytest.mark.parametrize(
    "declared", [{"do_normalize": False}, {"do_rescale": False}, {"rescale_factor": 1 / 127.5}]
)
def test_arithmetic_that_the_device_does_not_do_is_refused(tmp_path: Path, declared: dict[str, Any]) -> None:
    with pytest.raises(BackboneError, match="expected both with 1/255"):
        image_preprocessing(image_folder(tmp_path, **declared), size=32)


def test_pooling_that_is_neither_mean_nor_cls_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(BackboneError, match="neither mean nor cls"):
        text_pooling(str(tmp_path), default="cls")
