"""Measure what frozen features are worth on image sets that the backbone never saw.

    python scripts/measure_backbone_transfer.py --data DATA --out docs/results/vit-64.json

Every set gives at most 1,000 training and 500 test images. Their features, standardised on the training part,
go to three classifiers, the backbone untouched: nearest class mean, ridge (strength by leave-one-out)
and the 20 nearest neighbours by cosine. The backbone stands beside raw pixels at 64 px and beside ViT-Tiny/16, with
what one image costs: multiply-accumulates, and the time of one thread as a ratio to ViT-Tiny/16 at 224 px.
The result is one JSON file, from which `backbone_tables.py` fills the card; that of the accuracies goes to stdout.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL import Image
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.backbones.timm_vit import convert_timm_vit
from edgecl.pretraining.cost import vit_macs
from edgecl.pretraining.record import RESULT
from edgecl_runtime.bench.ratios import compare
from scripts.backbone_tables import REFERENCE, transfer_table

if TYPE_CHECKING:
    from transformers import ViTConfig

MAX_TRAIN, MAX_TEST = 1000, 500
SIZE = 64
TIMING_S = 60.0
SETS = (
    "neu_steel",
    "trashnet",
    "gtsrb",
    "plant_leaves-apple",
    "plant_leaves-tomato",
    "grocery",
    "pacs-sketch",
    "pacs-art_painting",
    "digits",
)
CLASSIFIERS: dict[str, Callable[[], ClassifierMixin]] = {
    "nearest class mean": NearestCentroid,
    "ridge": lambda: RidgeClassifierCV(alphas=np.logspace(-1, 5, 7)),
    "20 neighbours": lambda: KNeighborsClassifier(20, metric="cosine", algorithm="brute"),
}

Encoder = Callable[[list[Image.Image]], np.ndarray]
log = logging.getLogger("measure_backbone_transfer")


@dataclass(frozen=True, slots=True)
class Part:
    """Images of one part of a set and their labels, int64 [N]."""

    images: list[Image.Image]
    labels: np.ndarray

    def only(self, classes: tuple[int, ...]) -> np.ndarray:
        """Return which rows, bool [N], have one of `classes`."""
        return np.isin(self.labels, classes)


@dataclass(frozen=True, slots=True)
class TaskSet:
    """A set as drawn for the measurement."""

    train: Part
    test: Part


def load_set(tasks: Path, name: str, seed: int) -> TaskSet:
    """Return the set `name`, or `SET-GROUP` for one group of a set, drawn with `seed`."""
    if name == "digits":
        return handwritten_digits(seed)
    source, _, group = name.partition("-")
    with np.load(tasks / f"{source}.npz") as packed:
        blob, offset, label, split = packed["blob"], packed["offset"], packed["label"], packed["split"]
        member = (
            packed["group"] == packed["groups"].tolist().index(group) if group else np.ones(len(label), bool)
        )

    def part(which: int, at_most: int) -> Part:
        rows = draw(np.flatnonzero(member & (split == which)), at_most, seed)
        images = [
            Image.open(io.BytesIO(blob[offset[i] : offset[i + 1]].tobytes())).convert("RGB") for i in rows
        ]
        return Part(images, label[rows].astype(np.int64))

    return TaskSet(part(0, MAX_TRAIN), part(1, MAX_TEST))


def handwritten_digits(seed: int) -> TaskSet:
    """Return scikit-learn's digits, 8 x 8, as images of 64 x 64."""
    pixels, labels = load_digits(return_X_y=True)
    order = draw(np.arange(len(labels)), MAX_TRAIN + MAX_TEST, seed)

    def part(rows: np.ndarray) -> Part:
        gray = np.round(pixels[rows].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        images = [
            Image.fromarray(g).resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB") for g in gray
        ]
        return Part(images, labels[rows].astype(np.int64))

    return TaskSet(part(order[:MAX_TRAIN]), part(order[MAX_TRAIN:]))


def draw(rows: np.ndarray, at_most: int, seed: int) -> np.ndarray:
    """Return at most `at_most` of `rows` in random order."""
    return np.random.default_rng(seed).permutation(rows)[:at_most]


def resized(images: list[Image.Image], size: int) -> np.ndarray:
    """Return images as uint8 [N, size, size, 3], bicubic as the preprocessor does it."""
    return np.stack([np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for image in images])


def raw_pixels(images: list[Image.Image]) -> np.ndarray:
    """Return the pixels at 64 px as features, float32 [N, 12288]."""
    return resized(images, SIZE).reshape(len(images), -1).astype(np.float32) / 255


def features_of(backbone: Backbone) -> Encoder:
    """Return an encoder of images to what a backbone pools, float32 [N, D]."""

    @torch.inference_mode()
    def encode(images: list[Image.Image]) -> np.ndarray:
        reader, parts = backbone.preprocessor, []
        for start in range(0, len(images), 50):
            inputs = reader.batch(reader.prepare(images[start : start + 50]))
            parts.append(backbone.module({name: torch.from_numpy(array) for name, array in inputs.items()}))
        return torch.cat(parts).numpy()

    return encode


def backbones(wanted: argparse.Namespace) -> dict[str, Backbone]:
    """Return the backbones that are compared, by name."""
    folders = (wanted.backbone, *wanted.others)
    if len({folder.name for folder in folders}) < len(folders):
        raise SystemExit(
            "--others: two backbones have the same folder name; rename one, it is their name here"
        )
    found = {folder.name: load_backbone(str(folder)) for folder in folders}
    with tempfile.TemporaryDirectory() as tiny:
        convert_timm_vit(wanted.data / "backbones" / "vit_tiny_p16_224_f16.npz", Path(tiny))
        for size in wanted.vit_tiny_sizes:
            found[f"ViT-Tiny/16 at {size}"] = load_backbone(tiny, image_size=size)
    return found


def cost(compared: dict[str, Backbone]) -> dict[str, dict[str, float]]:
    """Return what one image costs: operations, milliseconds of one thread, both also as ratios to the reference."""

    def forward(backbone: Backbone) -> Callable[[], object]:
        reader = backbone.preprocessor
        batch = reader.batch(reader.prepare([Image.new("RGB", (SIZE, SIZE))]))
        inputs = {name: torch.from_numpy(array) for name, array in batch.items()}
        return torch.inference_mode()(lambda: backbone.module(inputs))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    measured = compare(
        {name: forward(backbone) for name, backbone in compared.items()},
        [(name, REFERENCE) for name in compared],
        limit_s=TIMING_S,
    )
    torch.set_num_threads(threads)
    macs = {
        name: vit_macs(cast("ViTConfig", backbone.module.model.config)) for name, backbone in compared.items()
    }
    return {
        name: {
            "macs": macs[name],
            "macs_ratio": round(macs[name] / macs[REFERENCE], 4),
            "milliseconds": round(measured.milliseconds[name], 2),
            **{
                f"time_ratio_{key}": value
                for key, value in measured.ratios[f"{name} / {REFERENCE}"].to_json().items()
            },
        }
        for name in compared
    }


def accuracy(
    kind: str, train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, labels: np.ndarray
) -> float:
    """Return the test accuracy in percent of one classifier on features [N, D]."""
    model = make_pipeline(StandardScaler(), CLASSIFIERS[kind]())
    return round(100 * float(model.fit(train, train_labels).score(test, labels)), 1)


def measure(drawn: TaskSet, encode: Encoder) -> dict[str, float]:
    """Return the accuracy of every classifier."""
    train, test = encode(drawn.train.images), encode(drawn.test.images)
    return {kind: accuracy(kind, train, drawn.train.labels, test, drawn.test.labels) for kind in CLASSIFIERS}


def measure_digit_pairs(drawn: TaskSet, encode: Encoder) -> dict[str, float]:
    """Return the accuracy of ridge on the five tasks 0/1, 2/3, ... 8/9."""
    train, test = encode(drawn.train.images), encode(drawn.test.images)
    scores = {}
    for first in range(0, 10, 2):
        pair = (first, first + 1)
        some, others = drawn.train.only(pair), drawn.test.only(pair)
        scores[f"{first}/{first + 1}"] = accuracy(
            "ridge", train[some], drawn.train.labels[some], test[others], drawn.test.labels[others]
        )
    return scores


def measure_all(wanted: argparse.Namespace) -> dict[str, Any]:
    """Return the content of the result file."""
    loaded = backbones(wanted)
    compared = {
        "raw pixels": raw_pixels,
        **{name: features_of(backbone) for name, backbone in loaded.items()},
    }
    results: dict[str, object] = {}
    for name in wanted.sets:
        begun = time.monotonic()
        drawn = load_set(wanted.data / "tasks", name, wanted.seed)
        results[name] = {
            "classes": len(np.unique(drawn.train.labels)),
            "train": len(drawn.train.labels),
            "test": len(drawn.test.labels),
            "accuracy": {encoder: measure(drawn, encode) for encoder, encode in compared.items()},
        }
        log.info("%s: %.0f s", name, time.monotonic() - begun)
    digits = load_set(wanted.data / "tasks", "digits", wanted.seed)
    return {
        "backbone": wanted.backbone.name,
        "seed": wanted.seed,
        "weights_sha256": hashlib.sha256((wanted.backbone / "model.safetensors").read_bytes()).hexdigest(),
        "versions": {
            name: version(name) for name in ("torch", "transformers", "scikit-learn", "pillow", "numpy")
        },
        "cpu_threads": torch.get_num_threads(),
        "training": training_records([wanted.backbone, *wanted.others]),
        "cost": cost(loaded) if REFERENCE in loaded else {},
        "digit_pairs_ridge": {name: measure_digit_pairs(digits, encode) for name, encode in compared.items()},
        "sets": results,
    }


def training_records(folders: list[Path]) -> dict[str, object]:
    """Return what `edgecl pretrain` wrote down beside the weights, by the name of the folder."""
    found = {folder.name: folder / RESULT for folder in folders}
    return {name: json.loads(path.read_text("utf-8")) for name, path in found.items() if path.exists()}


def write_json(path: Path, content: object) -> None:
    """Write `content` as indented JSON with a final newline."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    add: Callable[..., argparse.Action]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=os.environ.get("EDGECL_DATA"), help="holds tasks/ and backbones/")
    add("--backbone", type=Path, default=Path("edgecl/backbones/weights/vit-64"))
    add(
        "--others",
        nargs="*",
        type=Path,
        default=[],
        help="further backbones to compare, named by their folder",
    )
    add("--out", type=Path, default=Path("docs/results/vit-64.json"))
    add("--sets", nargs="+", default=list(SETS))
    add("--vit-tiny-sizes", nargs="*", type=int, default=[224, 112], help="without 224, no cost is measured")
    add("--seed", type=int, default=0, help="draws the images")
    wanted = parser.parse_args()
    if wanted.data is None:
        parser.error("give --data or set EDGECL_DATA")
    return wanted


def main() -> None:
    """Measure, write the file, print the table."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    wanted = parse_arguments()
    result = measure_all(wanted)
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(wanted.out, result)
    print(transfer_table(result))


if __name__ == "__main__":
    main()
