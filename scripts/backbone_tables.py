"""Put the figures of a backbone into its card, from what scripts/measure_backbone_transfer.py wrote.

    python scripts/backbone_tables.py docs/backbones/vit-64.md

The card has places `<!-- KIND FILE -->`: `trained`, `transfer`, `pairs`, `cost`, `compared` (trainings side by side);
FILE is named as it lies beside the card.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from scripts.pages import fill_named_pages

Result = Mapping[str, Any]

REFERENCE = "ViT-Tiny/16 at 224"


def trained_table(result: Result) -> str:
    """Return how the measured backbone was trained and what it reached."""
    found = result["training"][result["backbone"]]
    passes = found["images_seen"] / found["train_images"]
    facts = {
        "training images, classes": f"{found['train_images']:,}, {found['classes']}",
        "images seen": f"{found['images_seen']:,} in {found['steps']:,} steps, {passes:.1f} passes",
        "time": f"{found['seconds'] / 60:.0f} minutes; {found['processes']} process of {found['threads']} threads",
        "machine": found["machine"],
        "versions": ", ".join(f"{name} {version}" for name, version in found["versions"].items()),
        "top-1": f"**{found['validation_top1']:.1f} %** of {found['validation_images']:,} validation images",
        "parameters": f"{found['parameters'] / 1e6:.2f} million",
        "multiply-accumulates of one image": f"{found['macs'] / 1e6:.0f} million",
        "sha256 of the weights": f"`{found['weights_sha256']}`",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())])


def transfer_table(result: Result) -> str:
    """Return the accuracies: a row per set, a column per encoder, a figure per classifier."""
    sets = result["sets"]
    encoders = list(next(iter(sets.values()))["accuracy"])
    lines = _head("set (classes)", encoders)
    for name, found in sets.items():
        cells = (_figures(found["accuracy"][encoder].values()) for encoder in encoders)
        lines.append(f"| {name} ({found['classes']}) | {' | '.join(cells)} |")
    lines.append(f"| **mean of {len(sets)}** | {' | '.join(_figures(_means(result, e)) for e in encoders)} |")
    return "\n".join(lines)


def pairs_table(result: Result) -> str:
    """Return what ridge reaches on two digits at a time."""
    pairs = result["digit_pairs_ridge"]
    lines = _head("", next(iter(pairs.values())))
    lines += [f"| {encoder} | {' | '.join(_cells(found.values()))} |" for encoder, found in pairs.items()]
    return "\n".join(lines)


def cost_table(result: Result) -> str:
    """Return what one image costs beside the reference."""
    lines = _head("one image", ["MACs", f"MACs of {REFERENCE}", f"time of {REFERENCE}"])
    for encoder, found in result["cost"].items():
        time = f"{found['time_ratio_median']:.3f} ± {found['time_ratio_standard_error']:.3f}"
        lines.append(
            f"| {encoder} | {found['macs'] / 1e6:.0f} million | {found['macs_ratio']:.3f} | {time} |"
        )
    return "\n".join(lines)


def compared_table(result: Result) -> str:
    """Return trainings side by side: images seen, top-1, and transfer set by set."""
    lines = _head("run", ["images seen", "minutes", "top-1 %", *result["sets"], "mean"])
    for name, training in result["training"].items():
        cells = (
            f"{training['images_seen']}",
            f"{training['seconds'] / 60:.1f}",
            f"{training['validation_top1']:.1f}",
            *(_figures(found["accuracy"][name].values()) for found in result["sets"].values()),
            _figures(_means(result, name)),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {
    "trained": trained_table,
    "transfer": transfer_table,
    "pairs": pairs_table,
    "cost": cost_table,
    "compared": compared_table,
}


def _head(first: str, columns: Iterable[str]) -> list[str]:
    names = [first, *columns]
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _means(result: Result, encoder: str) -> list[float]:
    """Return the mean over sets of each classifier."""
    scores = [found["accuracy"][encoder] for found in result["sets"].values()]
    return [fmean(each[classifier] for each in scores) for classifier in scores[0]]


def _figures(scores: Iterable[float]) -> str:
    return " / ".join(_cells(scores))


def _cells(scores: Iterable[float]) -> list[str]:
    return [f"{score:.1f}" for score in scores]


if __name__ == "__main__":
    sys.exit(fill_named_pages(__doc__, TABLES))
