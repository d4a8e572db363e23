"""Turn ViT weights with timm's names into a local `transformers` folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from transformers import ViTConfig

from edgecl.backbones.huggingface import quiet_transformers
from edgecl.errors import BackboneError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

HEAD_DIM = 64
LAYER_NORM_EPS = 1e-6  # timm's; ViTConfig defaults to 1e-12
_BLOCK_PARTS = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.o_proj": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_CLASS_HEAD = ("head.", "head_dist.", "pre_logits.")


def convert_timm_vit(weights: Path, folder: Path, *, mean: float = 0.5, std: float = 0.5) -> ViTConfig:
    """Write a `transformers` folder (config, float32 safetensors, preprocessing) from timm-named ViT weights.

    Args:
        weights: `.npz` with a timm `VisionTransformer` state dict of any float type; a class head is dropped.
        folder: Where to write; made if absent.
        mean: Mean of every channel in [0, 1] that the weights were trained with; `std` likewise.
        std: See `mean`.

    Raises:
        BackboneError: The file cannot be read or is not such a state dict.
    """
    state = _read(weights)
    try:
        config = _config(state)
        renamed = _rename(state, layers=config.num_hidden_layers)
    except KeyError as error:
        raise BackboneError(
            f"{weights}: {error.args[0]!r} is missing; expected timm's names of a ViT"
        ) from error
    except (ValueError, IndexError) as error:
        raise BackboneError(f"{weights}: does not fit a ViT of its own sizes: {error}") from error
    if unknown := sorted(name for name in state if not name.startswith(_CLASS_HEAD)):
        raise BackboneError(f"{weights}: found {unknown[0]!r}, which a plain ViT does not have")
    from transformers import ViTModel  # imports what `contained` guards, which came with huggingface above

    try:
        model = ViTModel(config, add_pooling_layer=False)
        model.load_state_dict(renamed)
    except (RuntimeError, ValueError) as error:
        raise BackboneError(f"{weights}: does not fit a ViT of its own sizes: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        model.save_pretrained(folder)
    preprocessing = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": config.image_size, "width": config.image_size},
        "do_center_crop": False,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [mean] * 3,
        "image_std": [std] * 3,
    }
    (folder / "preprocessor_config.json").write_text(
        json.dumps(preprocessing, indent=2) + "\n", encoding="utf-8"
    )
    return config


def _read(weights: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with weights.open("rb") as file:
            packed = np.load(file, allow_pickle=False)
            if not isinstance(packed, NpzFile):
                raise ValueError("a single array")
            return {name: _tensor(packed, name) for name in packed.files}
    except Exception as error:  # zipfile, its decompressors and numpy raise a dozen kinds on damaged bytes
        reason = str(error) or type(error).__name__
        raise BackboneError(f"{weights}: cannot be read as an .npz of tensors ({reason})") from error


def _tensor(packed: NpzFile, name: str) -> NDArray[np.float32]:
    array: object = packed[name]  # the bytes of what is no array
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ValueError(f"{name!r} is no tensor of numbers")
    if array.size == 0:
        raise ValueError(f"{name!r} is empty")  # its shape may ask for a model of any size
    return array.astype(np.float32)


def _config(state: Mapping[str, NDArray[np.float32]]) -> ViTConfig:
    width, _, patch, _ = state["patch_embed.proj.weight"].shape
    grid = round((state["pos_embed"].shape[1] - 1) ** 0.5)
    return ViTConfig(
        hidden_size=width,
        num_hidden_layers=1
        + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=0),
        num_attention_heads=max(1, width // HEAD_DIM),
        intermediate_size=state["blocks.0.mlp.fc1.weight"].shape[0],
        image_size=grid * patch,
        patch_size=patch,
        layer_norm_eps=LAYER_NORM_EPS,
    )


def _rename(state: dict[str, NDArray[np.float32]], *, layers: int) -> dict[str, Tensor]:
    """Move the tensors out of `state` under their new names; what is left there has no place in a plain ViT."""
    named = {
        "embeddings.cls_token": state.pop("cls_token"),
        "embeddings.position_embeddings": state.pop("pos_embed"),
        "embeddings.patch_embeddings.projection.weight": state.pop("patch_embed.proj.weight"),
        "embeddings.patch_embeddings.projection.bias": state.pop("patch_embed.proj.bias"),
        "layernorm.weight": state.pop("norm.weight"),
        "layernorm.bias": state.pop("norm.bias"),
    }
    for layer in range(layers):
        for kind in ("weight", "bias"):
            qkv = np.split(state.pop(f"blocks.{layer}.attn.qkv.{kind}"), 3)
            for name, part in zip("qkv", qkv, strict=True):
                named[f"layers.{layer}.attention.{name}_proj.{kind}"] = part
            for new, old in _BLOCK_PARTS.items():
                named[f"layers.{layer}.{new}.{kind}"] = state.pop(f"blocks.{layer}.{old}.{kind}")
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in named.items()}
