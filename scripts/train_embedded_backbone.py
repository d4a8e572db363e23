"""Train the embedded vision backbone `vit-64` from a random start on two CPU cores.

    python scripts/train_embedded_backbone.py --data DATA --out edgecl/backbones/weights/vit-64

The student is a small ViT for 64 px. It learns Tiny-ImageNet's labels and, through linear projectors, the
features of a frozen ViT-Tiny/16 teacher: its class token and, bilinearly resampled to the student's grid, its
patch tokens. The teacher sees every image once; its features are cached. Most of the run keeps a random 24
of the 64 patch tokens (at 40 % of the price), the last part trains on all of them. Learning rate and token
schedule follow the clock, so a run ends on time on a busy machine too. A run that is stopped goes on from its
checkpoint when the same command is repeated.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import math
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

Loss = Literal["labels", "features", "both"]

IMAGE_SIZE = 64
TEACHER_SIZE = 112
TEACHER_GRID = 7
CHUNK = 5000
CLASSES = 200
PIXEL_MEAN = PIXEL_STD = 0.5

log = logging.getLogger("train_embedded_backbone")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one training run does; the defaults are the shipped backbone's."""

    minutes: float = 32.0
    steps: int | None = None
    loss: Loss = "both"
    width: int = 192
    blocks: int = 6
    heads: int = 3
    patch: int = 8
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    label_smoothing: float = 0.1
    feature_weight: float = 20.0
    token_weight: float = 20.0
    kept_tokens: int = 24
    full_from: float = 0.88
    least_zoom: float = 0.7
    seed: int = 0
    checkpoint_minutes: float = 4.0


@dataclass(frozen=True, slots=True)
class Images:
    """Decoded images, uint8 [N, 64, 64, 3], and their labels, int64 [N]."""

    pixels: np.ndarray
    labels: np.ndarray

    def first(self, count: int) -> Images:
        """Return the first `count` images."""
        return Images(self.pixels[:count], self.labels[:count])


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation per dimension, float32 [D], that standardise features."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, sample: np.ndarray) -> Scale:
        """Return the scale of features [..., D]."""
        rows = torch.from_numpy(sample.astype(np.float32)).flatten(end_dim=-2)
        return cls(rows.mean(0), rows.std(0).clamp(min=1e-6))

    def __call__(self, features: Tensor) -> Tensor:
        """Return standardised features, float32 [..., D]."""
        return (features.float() - self.mean) / self.std


@dataclass(slots=True)
class Progress:
    """How far a run is; `spent_s` counts training time over all resumed parts."""

    step: int = 0
    images: int = 0
    spent_s: float = 0.0
    finished: bool = False


class Student(nn.Module):
    """The backbone with the parts that exist only while it is trained: projectors and classifier."""

    def __init__(self, recipe: Recipe, teacher_width: int) -> None:
        super().__init__()
        self.backbone = ViTModel(student_config(recipe), add_pooling_layer=False)
        side = IMAGE_SIZE // recipe.patch
        positions = self.backbone.embeddings.position_embeddings
        positions.data[0, 1:] = sinusoidal_positions(side, recipe.width)
        self.classifier = nn.Linear(recipe.width, CLASSES)
        self.project_pooled = nn.Linear(recipe.width, teacher_width)
        self.project_tokens = nn.Linear(recipe.width, teacher_width)

    def forward(self, pixels: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return normalised features [B, 1 + tokens, D] of all patches, or of those `kept` [B, tokens]."""
        hidden = self.backbone.embeddings(pixels)
        if kept is not None:
            hidden = torch.cat([hidden[:, :1], pick(hidden[:, 1:], kept)], dim=1)
        for layer in self.backbone.layers:
            hidden = layer(hidden)
        features: Tensor = self.backbone.layernorm(hidden)
        return features


def student_config(recipe: Recipe) -> ViTConfig:
    """Return the architecture of the student."""
    return ViTConfig(
        hidden_size=recipe.width,
        num_hidden_layers=recipe.blocks,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.width,
        image_size=IMAGE_SIZE,
        patch_size=recipe.patch,
        layer_norm_eps=1e-6,
    )


def sinusoidal_positions(side: int, width: int) -> Tensor:
    """Return two-dimensional sine and cosine position embeddings, [side * side, width], to start from."""
    frequency = 1e-4 ** (torch.arange(width // 4) / (width // 4 - 1))
    angle = torch.arange(side)[:, None] * frequency
    waves = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows = waves[:, None].expand(side, side, -1)
    columns = waves[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=2).reshape(side * side, width) * 0.2


@torch.no_grad()
def start_whitened(backbone: ViTModel, pixels: np.ndarray) -> None:
    """Start the patch embedding as a random rotation of whitened patches of `pixels`, uint8 [N, H, W, 3].

    Natural images have nearly all their variance in a patch's mean colour; whitening, damped where only noise
    is left, shows the first block edges and texture at the same strength from the first step on.
    """
    projection = backbone.embeddings.patch_embeddings.projection
    side = projection.kernel_size[0]
    patches = F.unfold(to_input(pixels), side, stride=side).transpose(1, 2).flatten(end_dim=1)
    values, vectors = torch.linalg.eigh(patches.T.cov())
    whitening = vectors * (values + 5e-4 * values.sum()).rsqrt() @ vectors.T
    rotation = nn.init.orthogonal_(torch.empty(projection.out_channels, patches.shape[1]))
    weight = 0.3 * rotation @ whitening
    projection.weight.copy_(weight.view_as(projection.weight))
    projection.bias = nn.Parameter(-weight @ patches.mean(0))


def pick(tokens: Tensor, kept: Tensor) -> Tensor:
    """Return the tokens [B, K, D] of [B, N, D] that `kept` [B, K] names."""
    return tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[2]))


def load_teacher(path: Path) -> ViTModel:
    """Return the frozen ViT-Tiny/16 of a file with timm's tensor names."""
    with np.load(path) as stored:
        source = {name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files}
    config = ViTConfig(
        hidden_size=192,
        num_hidden_layers=12,
        num_attention_heads=3,
        intermediate_size=768,
        layer_norm_eps=1e-6,
    )
    model = ViTModel(config, add_pooling_layer=False)
    model.load_state_dict(dict(renamed_from_timm(source)))
    model.eval()
    model.requires_grad_(False)
    return model


def renamed_from_timm(source: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) of `transformers` for a timm ViT; its classifier is left out."""
    parts = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.o_proj",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    yield "embeddings.cls_token", source["cls_token"]
    yield "embeddings.position_embeddings", source["pos_embed"]
    for kind in ("weight", "bias"):
        yield f"embeddings.patch_embeddings.projection.{kind}", source[f"patch_embed.proj.{kind}"]
        yield f"layernorm.{kind}", source[f"norm.{kind}"]
        for block in range(12):
            for theirs, ours in parts.items():
                yield f"layers.{block}.{ours}.{kind}", source[f"blocks.{block}.{theirs}.{kind}"]
            joined = source[f"blocks.{block}.attn.qkv.{kind}"].chunk(3)
            for name, tensor in zip("qkv", joined, strict=True):
                yield f"layers.{block}.attention.{name}_proj.{kind}", tensor


def to_input(pixels: np.ndarray) -> Tensor:
    """Return images, uint8 [B, H, W, 3], as network input, float32 [B, 3, H, W]."""
    scaled = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    return (scaled - PIXEL_MEAN) / PIXEL_STD


def resized(inputs: Tensor, size: int) -> Tensor:
    """Return inputs [B, 3, H, W] at [B, 3, size, size], bicubic, inside the range of pixels."""
    larger = F.interpolate(inputs, size=(size, size), mode="bicubic", antialias=True)
    return larger.clamp(-1, 1)


def read_shards(folder: Path, pattern: str) -> Images:
    """Return all images of the shards `pattern` in `folder`.

    Raises:
        FileNotFoundError: No shard is there.
    """
    shards = sorted(folder.glob(pattern))
    if not shards:
        raise FileNotFoundError(f"{folder}: found no {pattern}; --data must hold pretrain/")
    pixels, labels = zip(*map(decode_shard, shards), strict=True)
    return Images(np.concatenate(pixels), np.concatenate(labels).astype(np.int64))


def decode_shard(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, uint8 [N, 64, 64, 3], and labels [N] of one shard."""
    with np.load(path) as shard:
        blob, offset, labels = shard["blob"], shard["offset"], shard["label"]
    pixels = np.empty((len(labels), IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    for i, (start, stop) in enumerate(pairwise(offset)):
        pixels[i] = np.asarray(Image.open(io.BytesIO(blob[start:stop].tobytes())).convert("RGB"))
    return pixels, labels


def cached_images(data: Path, cache: Path, part: Literal["train", "val"]) -> Images:
    """Return one part of Tiny-ImageNet, decoded once into `cache`."""
    pixels, labels = cache / f"{part}_pixels.npy", cache / f"{part}_labels.npy"
    if not (pixels.exists() and labels.exists()):
        images = read_shards(data / "pretrain", f"tinyimagenet_{part}*.npz")
        np.save(labels, images.labels)
        np.save(pixels, images.pixels)
        log.info("decoded %d %s images", len(images.labels), part)
    return Images(np.load(pixels), np.load(labels))


def cached_targets(data: Path, cache: Path, images: Images) -> np.ndarray:
    """Return the teacher's features of all images, float16 [N, 1 + 49, D], computed once into `cache`."""
    teacher = load_teacher(data / "backbones" / "vit_tiny_p16_224_f16.npz")
    parts = []
    for start in range(0, len(images.pixels), CHUNK):
        path = cache / f"teacher_{start:06d}.npy"
        if not path.exists():
            part = path.with_suffix(".part.npy")
            np.save(part, teacher_features(teacher, images.pixels[start : start + CHUNK]))
            part.rename(path)
            log.info("teacher: %d images done", start + CHUNK)
        parts.append(np.load(path))
    return np.concatenate(parts)


@torch.inference_mode()
def teacher_features(teacher: ViTModel, pixels: np.ndarray) -> np.ndarray:
    """Return class token and patch tokens, float16 [N, 1 + 49, D], of images, uint8 [N, 64, 64, 3]."""
    features = []
    for start in range(0, len(pixels), 50):
        inputs = resized(to_input(pixels[start : start + 50]), TEACHER_SIZE)
        features.append(teacher(inputs, interpolate_pos_encoding=True).last_hidden_state.half().numpy())
    return np.concatenate(features)


def random_views(count: int, least_zoom: float) -> Tensor:
    """Return affine maps [count, 2, 3]: half plain, half zoomed in somewhere; each mirrored or not."""
    zoom = torch.empty(count).uniform_(least_zoom, 2 - least_zoom).clamp(max=1)
    shift = (1 - zoom[:, None]) * torch.empty(count, 2).uniform_(-1, 1)
    mirror = torch.randint(0, 2, (count,)) * 2.0 - 1.0
    views = torch.zeros(count, 2, 3)
    views[:, 0, 0], views[:, 1, 1], views[:, :, 2] = zoom * mirror, zoom, shift
    return views


def seen_through(maps: Tensor, views: Tensor, side: int) -> Tensor:
    """Return maps [B, C, H, W] resampled through `views` [B, 2, 3] at [B, C, side, side]."""
    grid = F.affine_grid(views, [len(maps), 1, side, side], align_corners=False)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)


def kept_patches(batch: int, patches: int, kept: int) -> Tensor:
    """Return a random choice of patches per row, [batch, kept]."""
    return torch.rand(batch, patches).argsort(1)[:, :kept]


class Trainer:
    """One run: draws batches, follows the clock, keeps a checkpoint."""

    def __init__(self, recipe: Recipe, images: Images, targets: np.ndarray, checkpoint: Path) -> None:
        self.recipe, self.images, self.targets, self.checkpoint = recipe, images, targets, checkpoint
        torch.manual_seed(recipe.seed)
        self.scale_pooled = Scale.of(targets[:, 0])
        self.scale_tokens = Scale.of(targets[::50, 1:])
        self.student = Student(recipe, targets.shape[2])
        start_whitened(self.student.backbone, images.pixels[::25])
        decayed = [p for p in self.student.parameters() if p.ndim == 2]
        plain = [p for p in self.student.parameters() if p.ndim != 2]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
        self.progress = Progress()
        self.side = IMAGE_SIZE // recipe.patch
        self.losses: deque[float] = deque(maxlen=50)

    def run(self) -> Student:
        """Train until the time is spent and return the student."""
        self.resume()
        begun = time.monotonic() - self.progress.spent_s
        saved_s = self.progress.spent_s
        for rows in self.batches():
            if self.progress.finished or self.fraction >= 1:
                break
            self.train_on(rows)
            self.progress.spent_s = time.monotonic() - begun
            if self.progress.spent_s - saved_s > 60 * self.recipe.checkpoint_minutes:
                saved_s = self.progress.spent_s
                self.save()
        self.progress.finished = True
        self.save()
        return self.student.eval()

    @property
    def fraction(self) -> float:
        """The part of the budget that is spent, 0 to 1: of time, or of steps where the recipe counts them."""
        if self.recipe.steps is not None:
            return self.progress.step / self.recipe.steps
        return self.progress.spent_s / (60 * self.recipe.minutes)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the rows of batches for ever, every image once per epoch; a resumed run draws a new order."""
        order = np.random.default_rng([self.recipe.seed, self.progress.step])
        while True:
            shuffled = order.permutation(len(self.images.labels))
            whole = len(shuffled) // self.recipe.batch * self.recipe.batch
            yield from shuffled[:whole].reshape(-1, self.recipe.batch)

    def train_on(self, rows: np.ndarray) -> None:
        """Take one optimiser step on the images `rows`."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * learning_rate_factor(self.fraction, self.recipe.warmup)
        loss = self.loss(rows)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.progress.step += 1
        self.progress.images += len(rows)
        self.losses.append(loss.item())
        if self.progress.step % 50 == 0:
            seen, mean = self.progress, sum(self.losses) / len(self.losses)
            log.info("step %d, %d images, %.0f s, loss %.3f", seen.step, seen.images, seen.spent_s, mean)

    def loss(self, rows: np.ndarray) -> Tensor:
        """Return the training loss of the images `rows`, each in a random view."""
        recipe = self.recipe
        views = random_views(len(rows), recipe.least_zoom)
        pixels = seen_through(to_input(self.images.pixels[rows]), views, IMAGE_SIZE)
        kept = (
            None
            if self.fraction >= recipe.full_from
            else kept_patches(len(rows), self.side**2, recipe.kept_tokens)
        )
        features = self.student(pixels, kept)
        for_labels = features[:, 0].detach() if recipe.loss == "features" else features[:, 0]
        labels = torch.from_numpy(self.images.labels[rows])
        loss = F.cross_entropy(
            self.student.classifier(for_labels), labels, label_smoothing=recipe.label_smoothing
        )
        return loss if recipe.loss == "labels" else loss + self.feature_loss(features, rows, views, kept)

    def feature_loss(self, features: Tensor, rows: np.ndarray, views: Tensor, kept: Tensor | None) -> Tensor:
        """Return how far projected features [B, 1 + tokens, D] are from the teacher's."""
        wanted = self.scale_pooled(torch.from_numpy(self.targets[rows, 0]))
        pooled = F.smooth_l1_loss(self.student.project_pooled(features[:, 0]), wanted)
        wanted = self.wanted_tokens(rows, views)
        wanted = wanted if kept is None else pick(wanted, kept)
        tokens = F.smooth_l1_loss(self.student.project_tokens(features[:, 1:]), wanted)
        return self.recipe.feature_weight * pooled + self.recipe.token_weight * tokens

    def wanted_tokens(self, rows: np.ndarray, views: Tensor) -> Tensor:
        """Return the teacher's patch tokens through `views` on the student's grid, [B, side * side, D]."""
        tokens = self.scale_tokens(torch.from_numpy(self.targets[rows, 1:]))
        maps = tokens.transpose(1, 2).unflatten(2, (TEACHER_GRID, TEACHER_GRID))
        return seen_through(maps, views, self.side).flatten(2).transpose(1, 2)

    def save(self) -> None:
        """Write the checkpoint, complete or not at all."""
        part = self.checkpoint.with_suffix(".part")
        progress = {name: getattr(self.progress, name) for name in Progress.__slots__}
        state = {
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": progress,
        }
        torch.save(state, part)
        part.rename(self.checkpoint)

    def resume(self) -> None:
        """Go on from the checkpoint where there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        log.info("resumed at step %d, %.0f s", self.progress.step, self.progress.spent_s)


def learning_rate_factor(fraction: float, warmup: float) -> float:
    """Return the factor of the learning rate: a linear rise, then half a cosine down to 0."""
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    return 0.5 * (1 + math.cos(math.pi * min((fraction - warmup) / (1 - warmup), 1.0)))


@torch.inference_mode()
def top1(student: Student, images: Images, batch: int = 100) -> float:
    """Return the share of images whose label the trained-along classifier names."""
    right = 0
    for start in range(0, len(images.labels), batch):
        rows = slice(start, start + batch)
        scores = student.classifier(student(to_input(images.pixels[rows]))[:, 0])
        right += int((scores.argmax(1).numpy() == images.labels[rows]).sum())
    return right / len(images.labels)


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Round parameters to what float16 holds, so that validation sees the weights that are stored."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half())


def export(backbone: ViTModel, folder: Path) -> None:
    """Write weights (float16), config (loads as float32) and preprocessing for `from_pretrained(folder)`."""
    folder.mkdir(parents=True, exist_ok=True)
    backbone.half().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["dtype"] = "float32"
    write_json(folder / "config.json", config)
    preprocessing = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "resample": 3,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [PIXEL_MEAN] * 3,
        "image_std": [PIXEL_STD] * 3,
    }
    write_json(folder / "preprocessor_config.json", preprocessing)


def write_json(path: Path, content: object) -> None:
    """Write `content` as indented JSON with a final newline."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def report(trainer: Trainer, accuracy: float, validated: int) -> dict[str, object]:
    """Return what a run did, for the card."""
    recipe, progress = trainer.recipe, trainer.progress
    return {
        "images": len(trainer.images.labels),
        "recipe": {name: getattr(recipe, name) for name in Recipe.__slots__},
        "steps": progress.step,
        "images_seen": progress.images,
        "training_minutes": round(progress.spent_s / 60, 1),
        "validation_images": validated,
        "tiny_imagenet_val_top1": round(accuracy, 4),
        "torch": torch.__version__,
        "cpu_threads": torch.get_num_threads(),
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
    }


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    add: Callable[..., argparse.Action]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=os.environ.get("EDGECL_DATA"), help="holds pretrain/ and backbones/")
    add(
        "--cache",
        type=Path,
        default=Path("build/pretrain"),
        help="decoded images, teacher features, checkpoint",
    )
    add("--out", type=Path, required=True, help="folder of the trained backbone")
    add("--report", type=Path, help="write what the run did, as JSON")
    add("--images", type=int, default=50_000, help="use the first so many; 25,000 hold 125 of a class")
    add("--minutes", type=float, default=Recipe().minutes, help="training time, without the preparation")
    add("--steps", type=int, help="end after so many steps instead, to compare runs on a busy machine")
    add("--loss", choices=("labels", "features", "both"), default=Recipe().loss)
    add("--validate", type=int, default=10_000, help="validate on the first so many images")
    add("--prepare-only", action="store_true", help="fill the cache and stop")
    wanted = parser.parse_args()
    if wanted.data is None:
        parser.error("give --data or set EDGECL_DATA")
    return wanted


def main() -> None:
    """Prepare, train, validate, export."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    wanted = parse_arguments()
    wanted.cache.mkdir(parents=True, exist_ok=True)
    images = cached_images(wanted.data, wanted.cache, "train").first(wanted.images)
    targets = cached_targets(wanted.data, wanted.cache, images)
    if wanted.prepare_only:
        return
    recipe = Recipe(minutes=wanted.minutes, steps=wanted.steps, loss=wanted.loss)
    trainer = Trainer(
        recipe, images, targets, wanted.cache / f"checkpoint-{recipe.loss}-{recipe.steps or 'timed'}.pt"
    )
    student = trainer.run()
    round_to_half(student.backbone)
    unseen = cached_images(wanted.data, wanted.cache, "val").first(wanted.validate)
    result = report(trainer, top1(student, unseen), len(unseen.labels))
    export(student.backbone, wanted.out)
    log.info("%s", json.dumps(result))
    if wanted.report:
        write_json(wanted.report, result)


if __name__ == "__main__":
    main()
