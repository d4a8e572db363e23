"""Small data sets on disk: each function makes one and returns its path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from edgecl.streams import Split, TaskData, TaskSpec
from edgecl_runtime.preprocess import (
    ImagePreprocessing,
    Preprocessor,
    TextPreprocessing,
    build_preprocessor,
)

COUNTS = {"crack": 6, "dent": 4}


def make_image(path: Path, *, size: int = 8) -> Path:
    """Write a PNG whose pixels depend on its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = tuple(hashlib.sha256(str(path).encode()).digest()[:3])
    Image.new("RGB", (size, size), colour).save(path)
    return path


def make_folders(root: Path, counts: Mapping[str, int] | None = None) -> Path:
    """Write one sub-folder of images per class; a class of 0 images is an empty folder."""
    for label, count in (COUNTS if counts is None else counts).items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            make_image(root / label / f"{number:03d}.png")
    return root


def make_parts(root: Path, *, train: Mapping[str, int], test: Mapping[str, int]) -> Path:
    """Write `train/` and `test/` with one sub-folder of images per class each."""
    make_folders(root / "train", train)
    make_folders(root / "test", test)
    return root


def make_jsonl(path: Path, rows: Iterable[tuple[str, str | int]]) -> Path:
    """Write one object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_rows(counts: Mapping[str, int] | None = None) -> list[tuple[str, str | int]]:
    """Return different texts for each class."""
    return [
        (f"{label} text {i}", label)
        for label, n in (COUNTS if counts is None else counts).items()
        for i in range(n)
    ]


def make_npz(path: Path, **arrays: Any) -> Path:
    """Write six images [6, 4, 5, 3] of two classes, or what `arrays` says instead."""
    images = np.arange(6 * 4 * 5 * 3, dtype=np.int64).astype(np.uint8).reshape(6, 4, 5, 3)
    content = arrays or {"images": images, "labels": np.array([0, 1, 0, 1, 0, 1])}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **content)
    return path


def make_spec(data: Path, **changes: Any) -> TaskSpec:
    """Return the specification of a task named 'task'."""
    return TaskSpec(**{"name": "task", "data": data, **changes})


def make_task(train: Iterable[Any], test: Iterable[Any], **changes: Any) -> TaskData:
    """Return a task of two classes with these items."""
    parts = [tuple(train), tuple(test)]
    splits = [Split(items, np.arange(len(items), dtype=np.int64) % 2) for items in parts]
    fields = {"labels": ("crack", "dent"), "modality": "image", "fingerprint": "0" * 64, **changes}
    return TaskData(name="task", train=splits[0], test=splits[1], **fields)


def make_preprocessor(*, size: int = 4) -> Preprocessor:
    """Return the runtime's image preprocessor for a small square."""
    half = (0.5, 0.5, 0.5)
    spec = ImagePreprocessing(
        size=size, resize="exact", resize_to=size, interpolation="bilinear", mean=half, std=half
    )
    return build_preprocessor(spec, folder=Path())


def make_text_preprocessor(folder: Path, *words: str) -> Preprocessor:
    """Return the runtime's text preprocessor for these words; id 0 is any other word."""
    vocabulary = {word: number for number, word in enumerate(("[UNK]", *words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    spec = TextPreprocessing(max_tokens=8, pad_id=0, vocab_size=len(vocabulary))
    return build_preprocessor(spec, folder=folder)
