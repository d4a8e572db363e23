from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModel

from edgecl.backbones import embedded
from edgecl.backbones.families import FAMILIES
from edgecl.backbones.huggingface import load_backbone
from edgecl.errors import BackboneError
from edgecl_runtime.preprocess import ImagePreprocessing, TextPreprocessing
from tests.edgecl.factories import (
    DIMENSIONS,
    FAMILY_NAMES,
    edit_json,
    make_folder,
    make_image_folder,
    make_inputs,
    make_text_folder,
)


def mark(folder: Path, **options: object) -> str:
    return load_backbone(str(folder), **options).fingerprint  # type: ignore[arg-type]  # as the caller spells them


def change_first_weight(folder: Path) -> None:
    """Flip the lowest bit of one weight."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    first = weights[min(weights)].reshape(-1)
    first[0] = torch.nextafter(first[0], torch.tensor(torch.inf))
    save_file(weights, path, metadata={"format": "pt"})


def add_one_word(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"softly"', '"gently"'), encoding="utf-8")


@pytest.mark.parametrize("family", FAMILY_NAMES)
@torch.no_grad()
def test_a_loaded_backbone_has_the_features_of_its_checkpoint(tmp_path: Path, family: str) -> None:
    folder, inputs = make_folder(tmp_path, family), make_inputs(family)
    options = {"add_pooling_layer": False} if FAMILIES[family].has_pooler else {}
    untouched = AutoModel.from_pretrained(folder, attn_implementation="sdpa", **options)
    assert torch.equal(load_backbone(str(folder)).module(inputs), untouched(**inputs).last_hidden_state[:, 0])


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("vit", {"interpolate_pos_encoding": True}),
        ("deit", {"interpolate_pos_encoding": True}),
        ("dinov2", {}),
    ],
)
@pytest.mark.parametrize("size", [16, 48])
@torch.no_grad()
def test_another_image_size_is_interpolated_as_transformers_does_it(
    tmp_path: Path, family: str, options: dict[str, bool], size: int
) -> None:
    folder, inputs = make_image_folder(tmp_path, family), make_inputs(family, size=size)
    untouched = AutoModel.from_pretrained(folder, attn_implementation="sdpa")
    expected = untouched(**inputs, **options).last_hidden_state[:, 0]
    assert_close(load_backbone(str(folder), image_size=size).module(inputs), expected, rtol=0.0, atol=1e-6)


def test_an_embedded_backbone_is_loaded_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_image_folder(tmp_path / "weights" / "tiny")
    monkeypatch.setattr(embedded, "files", lambda _: tmp_path)
    assert load_backbone("edgecl/tiny").spec.source == "edgecl/tiny"
    assert mark(folder) == load_backbone("edgecl/tiny").fingerprint


def test_an_image_backbone_says_what_it_is(tmp_path: Path) -> None:
    backbone = load_backbone(str(make_image_folder(tmp_path)), image_size=24)
    assert (backbone.spec.dimensions, backbone.spec.modality) == (DIMENSIONS, "image")
    assert (backbone.spec.source, backbone.spec.model_type) == (str(tmp_path), "vit")
    assert isinstance(backbone.spec.preprocessing, ImagePreprocessing)
    assert (backbone.spec.preprocessing.size, backbone.tokenizer) == (24, None)


def test_a_text_backbone_says_what_it_is(tmp_path: Path) -> None:
    backbone = load_backbone(str(make_text_folder(tmp_path)))
    assert (backbone.spec.dimensions, backbone.spec.modality) == (DIMENSIONS, "text")
    assert backbone.spec.preprocessing == TextPreprocessing(max_tokens=24, pad_id=0, vocab_size=12)
    assert backbone.tokenizer == (tmp_path / "tokenizer.json").read_bytes()


def test_an_image_is_prepared_as_the_checkpoint_says(tmp_path: Path) -> None:
    preprocessor = load_backbone(str(make_image_folder(tmp_path))).preprocessor
    white = np.full((20, 10, 3), 255, np.uint8)
    pixels = preprocessor.batch(preprocessor.prepare([white]))["pixel_values"]
    assert pixels.shape == (1, 3, 32, 32)
    assert np.all(pixels == 1.0)


def test_a_text_is_prepared_as_the_checkpoint_says(tmp_path: Path) -> None:
    preprocessor = load_backbone(str(make_text_folder(tmp_path)), max_tokens=4).preprocessor
    batch = preprocessor.batch(preprocessor.prepare(["the cat purrs loudly", "dog"]))
    assert batch["input_ids"].tolist() == [[2, 8, 4, 3], [2, 6, 3, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


@pytest.mark.parametrize("family", ["bert", "vit"])
def test_loading_writes_no_temporary_file(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path / "backbone", family)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    assert load_backbone(str(folder)).spec.source == str(folder)


def test_pooling_is_the_callers_then_the_checkpoints_then_the_familys(tmp_path: Path) -> None:
    folder = make_text_folder(tmp_path)
    assert load_backbone(str(folder)).spec.pooling == "cls"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', encoding="utf-8")
    assert load_backbone(str(folder)).spec.pooling == "mean"
    assert load_backbone(str(folder), pooling="cls").spec.pooling == "cls"


@pytest.mark.parametrize("family", ["vit", "bert"])
def test_the_fingerprint_stays_the_same_in_another_folder(tmp_path: Path, family: str) -> None:
    first, second = make_folder(tmp_path / "a", family), make_folder(tmp_path / "b", family)
    assert mark(first) == mark(first) == mark(second)


def test_the_fingerprint_does_not_depend_on_how_the_weights_are_stored(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path)
    weights = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    half = mark(folder)
    (folder / "model.safetensors").unlink()
    torch.save({name: tensor.float() for name, tensor in weights.items()}, folder / "pytorch_model.bin")
    assert mark(folder) == half


@pytest.mark.parametrize(
    "change",
    [
        change_first_weight,
        lambda folder: edit_json(folder / "preprocessor_config.json", resample=3),
        lambda folder: edit_json(folder / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.4]),
        lambda folder: edit_json(folder / "config.json", layer_norm_eps=1e-6),
        lambda folder: edit_json(folder / "config.json", hidden_act="relu"),
    ],
    ids=["one bit of a weight", "interpolation", "mean", "epsilon", "activation"],
)
def test_the_fingerprint_of_images_changes_with(tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = make_image_folder(tmp_path)
    before = mark(folder)
    change(folder)
    assert mark(folder) != before


def test_the_fingerprint_changes_with_the_image_size(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path)
    assert len({mark(folder), mark(folder, image_size=24), mark(folder, image_size=48)}) == 3


def test_the_fingerprint_changes_with_pooling_tokens_and_tokenizer(tmp_path: Path) -> None:
    folder = make_text_folder(tmp_path)
    marks = {mark(folder), mark(folder, pooling="mean"), mark(folder, max_tokens=8)}
    add_one_word(folder)
    assert len(marks | {mark(folder)}) == 4


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    with pytest.raises(BackboneError, match="none: cannot be read as a transformers checkpoint") as caught:
        load_backbone(missing)
    assert "a folder with config.json and model.safetensors" in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_unsupported_model_type_is_named_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}), encoding="utf-8")
    with pytest.raises(BackboneError, match="'gpt2' is not supported; supported are bert, deit, dinov2, vit"):
        load_backbone(str(tmp_path))


def test_a_checkpoint_without_weights_is_refused(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match="weights cannot be loaded"):
        load_backbone(str(folder))


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path)
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(BackboneError, match="weights cannot be loaded"):
        load_backbone(str(folder))


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    path = make_image_folder(tmp_path) / "model.safetensors"
    weights = load_file(path)
    del weights["layernorm.bias"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match="1 weights are missing, 'layernorm.bias' first"):
        load_backbone(str(tmp_path))


def test_a_weight_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = make_image_folder(tmp_path) / "model.safetensors"
    save_file(load_file(path) | {"layernorm.bias": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match="layernorm.bias|weights cannot be loaded"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("size", [-8, 4, 30, 8000])
def test_an_image_size_that_does_not_fit_is_refused(tmp_path: Path, size: int) -> None:
    folder = make_image_folder(tmp_path)
    with pytest.raises(BackboneError, match=f"{size}"):
        load_backbone(str(folder), image_size=size)


def test_the_message_on_an_image_size_names_the_patch_size(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path)
    with pytest.raises(BackboneError, match="image size 30 is not a multiple of the patch size 8"):
        load_backbone(str(folder), image_size=30)


def test_mean_pooling_of_images_is_refused(tmp_path: Path) -> None:
    folder = make_image_folder(tmp_path)
    with pytest.raises(BackboneError, match="pooling"):
        load_backbone(str(folder), pooling="mean")


def test_loading_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_image_folder(tmp_path)
    capfd.readouterr()
    load_backbone(str(folder))
    assert capfd.readouterr() == ("", "")
