"""What a checkpoint must share with the command that continues it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from edgecl.config import BEFORE

if TYPE_CHECKING:
    from edgecl.streams import TaskData
    from edgecl.training.records import RunRecord

FIRST_RELEASE: Mapping[str, frozenset[str]] = {
    "backbone": frozenset({"source", "image_size", "max_tokens", "pooling"}),
    "method": frozenset({"name", "rank", "prefix_length"}),
    "training": frozenset(
        {
            "epochs",
            "min_steps",
            "batch_size",
            "learning_rate",
            "head_learning_rate",
            "warmup_fraction",
            "final_fraction",
            "weight_decay",
            "clip_norm",
            "precision",
            "device",
            "heldout_items",
        }
    ),
}
"""Settings that are always part of an identity; later ones are where they differ from what was done before."""


def identity(record: RunRecord, tasks: Iterable[TaskData]) -> str:
    """Return the SHA-256 of settings, backbone and data, so that checkpoints of every release are continued."""
    parts = [msgspec.json.encode(_known(record)).decode()]
    for data in tasks:
        parts += [data.name, data.fingerprint, *data.labels]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _known(record: RunRecord) -> dict[str, Any]:
    """Return a record as the first release wrote it, with later settings only where they are used."""
    tree: dict[str, Any] = msgspec.to_builtins(record)
    before = msgspec.to_builtins(BEFORE)
    kept = {"seed": tree["config"].pop("seed")}
    for table, settings in tree["config"].items():
        first = FIRST_RELEASE.get(table, frozenset())
        used = {key: value for key, value in settings.items() if key in first or value != before[table][key]}
        kept |= {table: used} if used else {}
    return tree | {"config": kept}
