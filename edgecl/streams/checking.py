"""Decoding every item of a task once, before training starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecl.errors import DataError
from edgecl.streams.dataset import Split, TaskData
from edgecl.streams.examples import NAMED_IN_MESSAGES, Item
from edgecl_runtime.errors import InputError
from edgecl_runtime.preprocess import Preprocessor

Prepared = np.ndarray[Any, np.dtype[Any]]
Progress = Callable[[int, int], None]
"""Called with the number of items done and the number of all items, in the thread of the caller."""

_CHUNK = 32


@dataclass(frozen=True, slots=True, eq=False)
class PreparedTask:
    """The items of a task as the preprocessor prepared them, in the order of the task.

    Attributes:
        train: Images [size, size, 3] uint8, or token ids [tokens] int32.
        test: The same for the test part.
    """

    train: list[Prepared]
    test: list[Prepared]


@dataclass(frozen=True, slots=True)
class _Broken:
    item: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.reason.startswith(f"{self.item}:") else f"{self.item}: {self.reason}"


def check_items(
    task: TaskData, preprocessor: Preprocessor, *, progress: Progress | None = None
) -> PreparedTask:
    """Return every item decoded (images) or tokenised (texts), so that training need not do it again.

    Raises:
        DataError: Some items cannot be used; the first ones are named, the others counted.
    """
    names = [*_names(task.train, "train"), *_names(task.test, "test")]
    items = [*task.train.items, *task.test.items]
    prepared: list[Prepared] = []
    broken: list[_Broken] = []
    for outcome in _outcomes(names, items, preprocessor):
        for result in outcome:
            if isinstance(result, _Broken):
                broken.append(result)
            else:
                prepared.append(result)
        if progress is not None:
            progress(len(prepared) + len(broken), len(items))
    if broken:
        raise _broken_items(task, broken, total=len(items))
    return PreparedTask(prepared[: len(task.train)], prepared[len(task.train) :])


def _outcomes(
    names: list[str], items: list[Item], preprocessor: Preprocessor
) -> Iterator[list[Prepared | _Broken]]:
    """Yield what became of each chunk of items, in their order."""

    def prepare(start: int) -> list[Prepared | _Broken]:
        chunk = slice(start, start + _CHUNK)
        return _prepare_chunk(names[chunk], items[chunk], preprocessor)

    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="edgecl-check")
    try:
        yield from pool.map(prepare, range(0, len(items), _CHUNK))
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_chunk(
    names: Sequence[str], items: Sequence[Item], preprocessor: Preprocessor
) -> list[Prepared | _Broken]:
    try:
        return [*preprocessor.prepare(items)]
    except InputError:
        return [_prepare_one(name, item, preprocessor) for name, item in zip(names, items, strict=True)]


def _prepare_one(name: str, item: Item, preprocessor: Preprocessor) -> Prepared | _Broken:
    try:
        return preprocessor.prepare([item])[0]
    except InputError as error:
        return _Broken(name, str(error))


def _names(split: Split, part: str) -> list[str]:
    return [str(item) if isinstance(item, Path) else f"{part} item {i}" for i, item in enumerate(split.items)]


def _broken_items(task: TaskData, broken: list[_Broken], *, total: int) -> DataError:
    named = "".join(f"\n  {each}" for each in broken[:NAMED_IN_MESSAGES])
    rest = len(broken) - NAMED_IN_MESSAGES
    return DataError.at(
        f"task {task.name!r}",
        found=f"{len(broken)} of {total} {task.modality}s that cannot be used",
        expected="none",
        fix=f"Replace or remove them:{named}" + (f"\n  and {rest} more" if rest > 0 else ""),
    )
