"""What the readers of folders, tables and arrays hand on: labelled items, not yet selected."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecl.errors import DataError
from edgecl.kinds import Modality

Image = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Item = Path | str | Image

NAMED_IN_MESSAGES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Items and their labels, in an order that does not depend on the machine.

    Attributes:
        items: Image files, texts, or RGB images [height, width, 3] uint8.
        labels: One per item.
    """

    items: tuple[Item, ...]
    labels: tuple[str, ...]

    def take(self, positions: Sequence[int]) -> Examples:
        """Return the examples at these positions."""
        return Examples(tuple(self.items[i] for i in positions), tuple(self.labels[i] for i in positions))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What was read from one data set.

    Attributes:
        where: The file or folder, for messages.
        train: The training part, or everything where `test` is None.
        test: The test part, or None where the data have none of their own.
    """

    where: Path
    modality: Modality
    train: Examples
    test: Examples | None


def normal_label(name: str) -> str:
    """Return the label in the one spelling that all file systems agree on (Unicode NFC)."""
    return unicodedata.normalize("NFC", name)


def chosen_classes(found: Iterable[str], wanted: Collection[str] | None, *, where: Path) -> frozenset[str]:
    """Return the classes to keep: those wanted, or all.

    Raises:
        DataError: A wanted class is not there.
    """
    there = frozenset(found)
    if wanted is None:
        return there
    keep = frozenset(normal_label(label) for label in wanted)
    if unknown := keep - there:
        raise DataError.at(
            where,
            found=f"no class {some_of(sorted(map(repr, unknown)))}",
            expected=f"classes among {some_of(sorted(map(repr, there)), limit=20)}",
            fix="Correct 'classes' of the task.",
        )
    return keep


def keep_classes(examples: Examples, classes: Collection[str]) -> Examples:
    """Return the examples of these classes, in the order they had."""
    return examples.take([i for i, label in enumerate(examples.labels) if label in classes])


def some_of(names: Sequence[str], *, limit: int = NAMED_IN_MESSAGES) -> str:
    """Return the first names and the number of the others."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error to raise for a file or folder that the operating system does not hand out."""
    return DataError(
        f"{path}: cannot be read ({error.strerror or error}). "
        "Check that it is there, its permissions, and where its links lead."
    )
