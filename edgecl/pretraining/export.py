"""Write a trained student as a local `transformers` folder, and say how often it is right."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgecl.backbones.huggingface import quiet_transformers
from edgecl.pretraining.student import PIXEL_MEAN, PIXEL_STD, as_input
from edgecl_runtime.durable import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from edgecl.pretraining.images import Images
    from edgecl.pretraining.student import Student

BATCH = 100
BICUBIC = 3
"""Pillow's number, as `transformers` stores it."""


@torch.no_grad()
def round_to_half(module: nn.Module) -> None:
    """Round parameters to what float16 holds, so that what is measured are the weights that are stored."""
    for parameter in module.parameters():
        parameter.copy_(parameter.half())


@torch.inference_mode()
def top1(student: Student, images: Images) -> float:
    """Return the percentage of images whose label the classifier names."""
    device, right = next(student.parameters()).device, 0
    for start in range(0, len(images), BATCH):
        rows = slice(start, start + BATCH)
        pixels = torch.from_numpy(images.pixels[rows]).to(device).permute(0, 3, 1, 2).float() / 255
        named = student(as_input(pixels)).scores.argmax(dim=1).cpu().numpy()
        right += int((named == images.labels[rows]).sum())
    return 100.0 * right / len(images)


def write_backbone(student: Student, folder: Path) -> str:
    """Write weights (float16; they load as float32), architecture and preprocessing, and return the weights' sha256."""
    with quiet_transformers():
        student.backbone.half().save_pretrained(folder)
    student.backbone.float()
    weights = folder / "model.safetensors"
    write_durably(
        weights, weights.read_bytes()
    )  # the library's file may be lost in a power cut, and is private
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _write_json(folder / "config.json", {**config, "dtype": "float32"})
    size = student.backbone.config.image_size
    preprocessing = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": size, "width": size},
        "resample": BICUBIC,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [PIXEL_MEAN] * 3,
        "image_std": [PIXEL_STD] * 3,
    }
    _write_json(folder / "preprocessor_config.json", preprocessing)
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def _write_json(path: Path, content: object) -> None:
    write_durably(path, json.dumps(content, indent=2).encode() + b"\n")
