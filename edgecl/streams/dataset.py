"""One task, ready to be learned: selected items, integer targets and a fingerprint of both."""

from __future__ import annotations

import hashlib
import json
import logging
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecl.errors import DataError
from edgecl.kinds import Modality
from edgecl.streams.arrays import read_arrays
from edgecl.streams.examples import Examples, Item, Source, some_of, unreadable
from edgecl.streams.folders import read_folders
from edgecl.streams.splits import (
    balanced_subset,
    few_of_each_class,
    proportional_subset,
    split_by_class,
)
from edgecl.streams.stream import TaskSpec
from edgecl.streams.tables import TABLE_SUFFIXES, find_tables, read_tables

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The training or the test part of a task.

    Attributes:
        items: Image files, texts, or RGB images [height, width, 3] uint8.
        targets: [items] int64, positions in the labels of the task.
    """

    items: tuple[Item, ...]
    targets: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True, eq=False)
class TaskData:
    """The selected items of one task.

    Attributes:
        labels: The classes, sorted as text.
        fingerprint: SHA-256 over part, label and content of each selected item, without names and order.
    """

    name: str
    labels: tuple[str, ...]
    train: Split
    test: Split
    modality: Modality
    fingerprint: str


def load_task(spec: TaskSpec, *, seed: int) -> TaskData:
    """Return the items of a task; the same specification, data and seed give the same selection anywhere.

    Choices are made in this order: `classes`, a test part where the data have none, the numbers of items.

    Raises:
        DataError: The data cannot be read, or cannot be trained on as they are.
    """
    source = _read(spec)
    labels = tuple(sorted(set(source.train.labels)))
    if source.test is not None:
        _check_same_classes(source.where, labels, source.test)
    if len(labels) < 2:
        raise DataError.at(
            source.where,
            found=f"{some_of(list(map(repr, labels))) or 'no class'} as the only class",
            expected="two classes or more",
            fix="Check the layout of the data and 'classes' of the task.",
        )
    train, test = _selected(source, spec, classes=len(labels), seed=seed)
    train_digests, test_digests = _digests(train), _digests(test)
    _warn_of_copies(spec.name, train_digests, test, test_digests)
    triples = [("train", *pair) for pair in zip(train.labels, train_digests, strict=True)]
    triples += [("test", *pair) for pair in zip(test.labels, test_digests, strict=True)]
    return TaskData(
        name=spec.name,
        labels=labels,
        train=_split(train, labels),
        test=_split(test, labels),
        modality=source.modality,
        fingerprint=_fingerprint(triples),
    )


def _read(spec: TaskSpec) -> Source:
    path, classes = spec.data, spec.classes
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise unreadable(path, error) from error
    if is_folder:
        return (
            read_tables(path, classes=classes) if find_tables(path) else read_folders(path, classes=classes)
        )
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return read_tables(path, classes=classes)
    if suffix == ".npz":
        return read_arrays(path, classes=classes)
    raise DataError.at(
        path,
        found=f"a file ending in {suffix!r}",
        expected="a folder, or a file ending in .csv, .jsonl or .npz",
        fix="Unpack archives first; give the folder that holds one sub-folder per class.",
    )


def _check_same_classes(where: Path, labels: tuple[str, ...], test: Examples) -> None:
    only_test = sorted(set(test.labels) - set(labels))
    only_train = sorted(set(labels) - set(test.labels))
    for missing, there, part in ((only_test, "test", "training"), (only_train, "training", "test")):
        if missing:
            raise DataError.at(
                where,
                found=f"the classes {some_of(list(map(repr, missing)))} in the {there} part only",
                expected=f"each class in the {part} part, too",
                fix="Add items, or leave the classes out with 'classes'.",
            )


def _selected(source: Source, spec: TaskSpec, *, classes: int, seed: int) -> tuple[Examples, Examples]:
    train, test = source.train, source.test
    if test is None:
        train, test = _divided(source, spec, seed=seed)
    for key, count in (("train_items", spec.train_items), ("test_items", spec.test_items)):
        if count is not None and count < classes:
            raise DataError.at(
                f"task {spec.name!r}",
                found=f"{key} = {count} for {classes} classes",
                expected=f"{classes} or more",
                fix=f"Raise {key}, or use fewer 'classes'.",
            )
    if spec.train_items is not None:
        train = train.take(balanced_subset(train.labels, count=spec.train_items, seed=seed))
    if spec.train_items_per_class is not None:
        train = train.take(few_of_each_class(train.labels, count=spec.train_items_per_class, seed=seed))
    if spec.test_items is not None:
        test = test.take(proportional_subset(test.labels, count=spec.test_items, seed=seed))
    return train, test


def _divided(source: Source, spec: TaskSpec, *, seed: int) -> tuple[Examples, Examples]:
    single = sorted(label for label, count in Counter(source.train.labels).items() if count < 2)
    if single:
        raise DataError.at(
            source.where,
            found=f"a single item of {some_of(list(map(repr, single)))}",
            expected="two or more of each class, one of them for the test part",
            fix="Add items, or leave the classes out with 'classes'.",
        )
    kept, held_out = split_by_class(source.train.labels, test_fraction=spec.test_fraction, seed=seed)
    return source.train.take(kept), source.train.take(held_out)


def _split(examples: Examples, labels: tuple[str, ...]) -> Split:
    position = {label: i for i, label in enumerate(labels)}
    return Split(examples.items, np.array([position[label] for label in examples.labels], dtype=np.int64))


def _digests(examples: Examples) -> list[str]:
    return [_digest(item) for item in examples.items]


def _digest(item: Item) -> str:
    """Return the SHA-256 of the content: file bytes, text in UTF-8, or shape and bytes of an array."""
    if isinstance(item, Path):
        try:
            content = item.read_bytes()
        except OSError as error:
            raise unreadable(item, error) from error
    elif isinstance(item, str):
        content = item.encode()
    else:
        content = repr(item.shape).encode() + item.tobytes()
    return hashlib.sha256(content).hexdigest()


def _fingerprint(triples: Iterable[tuple[str, str, str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(triples)).encode()).hexdigest()


def _warn_of_copies(task: str, train_digests: list[str], test: Examples, test_digests: list[str]) -> None:
    known = set(train_digests)
    copies = [item for item, digest in zip(test.items, test_digests, strict=True) if digest in known]
    if copies:
        _log.warning(
            "task %r: %d of %d test items are also training items (%s); accuracy will be too high",
            task,
            len(copies),
            len(test.items),
            some_of([_shown(item) for item in copies]),
        )


def _shown(item: Item) -> str:
    if isinstance(item, Path):
        return str(item)
    return repr(item[:40]) if isinstance(item, str) else f"an image {item.shape}"
