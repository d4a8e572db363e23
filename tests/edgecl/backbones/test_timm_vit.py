from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

from edgecl.backbones.huggingface import load_backbone
from edgecl.backbones.timm_vit import convert_timm_vit
from edgecl.errors import BackboneError
from edgecl_runtime import Dimensions
from tests.edgecl.backbones.numpy_encoders import timm_features

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
REAL = Path(os.environ.get("EDGECL_DATA", SHARED)) / "backbones" / "vit_tiny_p16_224_f16.npz"
WIDTH, PATCH, SIDE = 128, 4, 2


def make_state(*, layers: int = 2) -> dict[str, np.ndarray[Any, Any]]:
    """Return random weights of a ViT with two heads for images of 8 pixels, under timm's names."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 1 + SIDE**2, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
        "head.weight": (10, WIDTH),
        "head.bias": (10,),
    }
    parts = {
        "norm1": (WIDTH,),
        "attn.qkv": (3 * WIDTH, WIDTH),
        "attn.proj": (WIDTH, WIDTH),
        "norm2": (WIDTH,),
        "mlp.fc1": (96, WIDTH),
        "mlp.fc2": (WIDTH, 96),
    }
    for layer in range(layers):
        for name, shape in parts.items():
            shapes |= {f"blocks.{layer}.{name}.weight": shape, f"blocks.{layer}.{name}.bias": shape[:1]}
    random = np.random.default_rng(0)
    return {name: random.normal(0, 0.2, shape).astype(np.float16) for name, shape in shapes.items()}


def save(path: Path, state: dict[str, np.ndarray[Any, Any]]) -> Path:
    np.savez(path, **state)  # type: ignore[arg-type]  # numpy takes the names of arrays for its own options
    return path


def without(name: str) -> dict[str, np.ndarray[Any, Any]]:
    return {key: array for key, array in make_state().items() if key != name}


def test_the_converted_model_computes_what_timm_computes(tmp_path: Path) -> None:
    state = make_state()
    convert_timm_vit(save(tmp_path / "w.npz", state), tmp_path / "vit")
    image = np.random.default_rng(1).normal(size=(3, 8, 8))
    double = {name: array.astype(np.float64) for name, array in state.items()}
    expected = timm_features(double, image, patch=PATCH, head_dim=64)
    model = load_backbone(str(tmp_path / "vit")).module.double()
    found = model({"pixel_values": torch.from_numpy(image[None])})[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_sizes_are_read_off_the_weights(tmp_path: Path) -> None:
    config = convert_timm_vit(save(tmp_path / "w.npz", make_state(layers=3)), tmp_path / "vit")
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (3, WIDTH, 2)
    assert (config.image_size, config.patch_size, config.intermediate_size) == (8, PATCH, 96)
    assert config.layer_norm_eps == 1e-6


def test_the_folder_says_how_images_are_normalised(tmp_path: Path) -> None:
    convert_timm_vit(save(tmp_path / "w.npz", make_state()), tmp_path / "vit", mean=0.4, std=0.2)
    declared = load_backbone(str(tmp_path / "vit")).spec.preprocessing.to_json()
    assert (declared["mean"], declared["std"]) == ([0.4] * 3, [0.2] * 3)
    assert (declared["size"], declared["interpolation"], declared["resize"]) == (8, "bicubic", "exact")


def test_conversion_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    convert_timm_vit(save(tmp_path / "w.npz", make_state()), tmp_path / "vit")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["norm.weight", "cls_token", "blocks.1.attn.qkv.bias", "pos_embed"])
def test_a_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackboneError, match=f"'{name}' is missing; expected timm's names") as caught:
        convert_timm_vit(save(tmp_path / "w.npz", without(name)), tmp_path / "vit")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "vit").exists()


def test_weights_without_blocks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="'blocks.0.mlp.fc1.weight' is missing"):
        convert_timm_vit(save(tmp_path / "w.npz", make_state(layers=0)), tmp_path / "vit")


def test_a_tensor_that_a_plain_vit_does_not_have_is_refused(tmp_path: Path) -> None:
    state = make_state() | {"blocks.0.ls1.gamma": np.ones(WIDTH)}
    with pytest.raises(BackboneError, match="'blocks.0.ls1.gamma', which a plain ViT does not have"):
        convert_timm_vit(save(tmp_path / "w.npz", state), tmp_path / "vit")


@pytest.mark.parametrize("shape", [(1, 6, WIDTH), (1,), (WIDTH, 5)])
def test_a_tensor_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    state = make_state() | {"pos_embed": np.zeros(shape)}
    with pytest.raises(BackboneError, match="does not fit a ViT of its own sizes"):
        convert_timm_vit(save(tmp_path / "w.npz", state), tmp_path / "vit")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(BackboneError, match="w.npz: cannot be read as an .npz of tensors"):
        convert_timm_vit(tmp_path / "w.npz", tmp_path / "vit")


@pytest.mark.parametrize(
    "member",
    [b"", b"no array", b"\x93NUMPY\x01\x00\x01\x00{", b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16],
)
def test_a_member_that_is_no_array_is_refused(tmp_path: Path, member: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("cls_token.npy", member)
    with pytest.raises(BackboneError, match="w.npz: cannot be read as an .npz of tensors"):
        convert_timm_vit(tmp_path / "w.npz", tmp_path / "vit")


def test_a_member_cut_in_its_compressed_bytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("cls_token.npy", bytes(range(256)))
    raw = bytearray((tmp_path / "w.npz").read_bytes())
    raw[60:90] = bytes(30)
    (tmp_path / "w.npz").write_bytes(raw)
    with pytest.raises(BackboneError, match="w.npz: cannot be read as an .npz of tensors"):
        convert_timm_vit(tmp_path / "w.npz", tmp_path / "vit")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2**40, 3, PATCH, 0)), "'patch_embed.proj.weight' is empty"),
        (np.array(["text"]), "'patch_embed.proj.weight' is no tensor of numbers"),
        (np.zeros((WIDTH, 3, PATCH, PATCH), complex), "'patch_embed.proj.weight' is no tensor of numbers"),
    ],
)
def test_an_array_that_is_no_weight_is_refused(
    tmp_path: Path, array: np.ndarray[Any, Any], message: str
) -> None:
    state = make_state() | {"patch_embed.proj.weight": array}
    with pytest.raises(BackboneError, match=message):
        convert_timm_vit(save(tmp_path / "w.npz", state), tmp_path / "vit")


def test_a_width_that_heads_do_not_divide_is_refused(tmp_path: Path) -> None:
    state = make_state() | {"patch_embed.proj.weight": np.zeros((WIDTH + 3, 3, PATCH, PATCH))}
    with pytest.raises(BackboneError, match="does not fit a ViT of its own sizes"):
        convert_timm_vit(save(tmp_path / "w.npz", state), tmp_path / "vit")


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.zeros(3))
    with pytest.raises(BackboneError, match="cannot be read as an .npz of tensors"):
        convert_timm_vit(tmp_path / "w.npy", tmp_path / "vit")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="none.npz: cannot be read"):
        convert_timm_vit(tmp_path / "none.npz", tmp_path / "vit")


@pytest.mark.skipif(not REAL.is_file(), reason=f"no {REAL}; name the folder of real data in EDGECL_DATA")
@torch.no_grad()
def test_real_weights_are_converted(tmp_path: Path) -> None:
    config = convert_timm_vit(REAL, tmp_path / "vit-tiny")
    backbone = load_backbone(str(tmp_path / "vit-tiny"), image_size=112)
    assert backbone.spec.dimensions == Dimensions(layers=12, width=192, heads=3, head_dim=64)
    assert (config.image_size, config.patch_size, config.layer_norm_eps) == (224, 16, 1e-6)
    assert (
        AutoModel.from_pretrained(tmp_path / "vit-tiny", add_pooling_layer=False).num_parameters()
        == 5_524_416
    )
    features = backbone.module({"pixel_values": torch.zeros(2, 3, 112, 112)})
    assert features.shape == (2, 192)
    assert torch.isfinite(features).all()
