"""Tasks whose items were all read and decoded, before any of them is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecl.errors import DataError
from edgecl.streams import PreparedTask, TaskData, TaskSpec, check_items, load_task

if TYPE_CHECKING:
    from edgecl.backbones.huggingface import Backbone

KEPT_BYTES = 2**30

OnItems = Callable[[str, int, int], None]
"""Told the task, the number of items done and the number of all items."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A task whose items were all read and decoded."""

    data: TaskData
    prepared: PreparedTask


def check_all(
    specs: Sequence[TaskSpec], backbone: Backbone, *, seed: int, on_items: OnItems
) -> dict[str, Ready]:
    """Read and decode every item of every task, so that no error waits behind hours of training.

    Returns:
        What was decoded, by task, as long as it fits into memory; the rest is decoded again when it is needed.

    Raises:
        DataError: Data that cannot be trained on.
    """
    kept: dict[str, Ready] = {}
    size_bytes = 0
    for spec in specs:
        ready = prepare(spec, backbone, seed=seed, on_items=on_items)
        size_bytes += sum(item.nbytes for item in (*ready.prepared.train, *ready.prepared.test))
        if size_bytes <= KEPT_BYTES:
            kept[spec.name] = ready
    return kept


def prepare(spec: TaskSpec, backbone: Backbone, *, seed: int, on_items: OnItems) -> Ready:
    """Read and decode the items of a task.

    Raises:
        DataError: Data that cannot be trained on with this backbone.
    """
    data = load_task(spec, seed=seed)
    if data.modality != backbone.spec.modality:
        raise DataError.at(
            spec.data,
            found=f"{data.modality}s",
            expected=f"{backbone.spec.modality}s, which {backbone.spec.source} reads",
            fix="Choose a backbone of the other kind with --backbone.",
        )
    prepared = check_items(
        data, backbone.preprocessor, progress=lambda done, total: on_items(spec.name, done, total)
    )
    return Ready(data, prepared)
