"""What to learn, in which order: streams of tasks, read from TOML.

name = "shop-floor"

[[task]]
name = "signs"
data = "gtsrb"              # relative to the stream file, or to the folder that is given
classes = ["Stop", "Yield"] # the rest is optional
train_items = 400           # or: train_items_per_class = 10
test_items = 500
test_fraction = 0.2
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgecl.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_RULE = "letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit"


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task: where its data are and which part of them to use.

    Attributes:
        name: Names the task and its files; see `_NAME_RULE`.
        data: A folder, or a CSV, JSONL or `.npz` file.
        classes: The classes to keep; None keeps all.
        train_items: At most so many training items, as even over the classes as they allow; None keeps all.
        train_items_per_class: At most so many training items of each class, instead of `train_items`.
        test_items: At most so many test items, in the proportions of the classes; None keeps all.
        test_fraction: Share of each class that becomes the test part where the data have none of their own.

    Raises:
        ConfigError: A value is impossible.
    """

    name: str
    data: Path
    classes: tuple[str, ...] | None = None
    train_items: int | None = None
    train_items_per_class: int | None = None
    test_items: int | None = None
    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        _check_name("task", self.name)
        where = f"task {self.name!r}"
        if self.classes is not None:
            _check_classes(where, self.classes)
        if self.train_items is not None and self.train_items_per_class is not None:
            raise ConfigError.at(
                where,
                found="train_items and train_items_per_class",
                expected="one of them",
                fix="Leave one of them out.",
            )
        for key in ("train_items", "train_items_per_class", "test_items"):
            count = getattr(self, key)
            if count is not None and count < 1:
                raise ConfigError.at(
                    where,
                    found=f"{key} = {count}",
                    expected="1 or more",
                    fix="Leave the key out to use all items.",
                )
        if not 0.0 < self.test_fraction < 1.0:
            raise ConfigError.at(
                where,
                found=f"test_fraction = {self.test_fraction}",
                expected="a number between 0 and 1, both excluded",
                fix="0.2 keeps a fifth of each class for testing.",
            )


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tasks in the order in which they are learned.

    Raises:
        ConfigError: There is no task, or two tasks would share a file name.
    """

    name: str
    tasks: tuple[TaskSpec, ...]

    def __post_init__(self) -> None:
        _check_name("stream", self.name)
        if not self.tasks:
            raise ConfigError.at(
                f"stream {self.name!r}", found="no task", expected="one or more", fix="Add a [[task]] table."
            )
        seen: dict[str, str] = {}
        for task in self.tasks:
            key = task.name.lower()
            if key in seen:
                raise ConfigError.at(
                    f"stream {self.name!r}",
                    found=f"the task names {seen[key]!r} and {task.name!r}",
                    expected="names that differ in more than upper and lower case",
                    fix="Rename one of the tasks: their files would overwrite each other.",
                )
            seen[key] = task.name

    def varied(self, *, per_class: int | None = None, reverse: bool = False) -> StreamSpec:
        """Return the stream with at most `per_class` training items of each class, and in reversed order, if asked.

        Raises:
            ConfigError: `per_class` is below 1.
        """
        tasks = self.tasks[::-1] if reverse else self.tasks
        if per_class is not None:
            few = {"train_items": None, "train_items_per_class": per_class}
            tasks = tuple(msgspec.structs.replace(task, **few) for task in tasks)
        return msgspec.structs.replace(self, tasks=tasks)


def read_stream(path: Path, *, data: Path | None = None) -> StreamSpec:
    """Return the stream of a TOML file.

    Args:
        path: The file.
        data: The folder that relative `data` paths are taken from; None: that of the file.

    Raises:
        ConfigError: The file cannot be read, is not TOML, has an unknown key or an impossible value.
    """
    document = _load_toml(path)
    _refuse_unknown_keys(path, "the top level", document, allowed=("name", "task"))
    tables = document.get("task", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError.at(
            path, found="'task' as one value", expected="tables", fix="Write [[task]], not [task]."
        )
    folder = path.parent if data is None else data
    tasks = tuple(_read_task(path, number, table, folder) for number, table in enumerate(tables, start=1))
    if not isinstance(document.get("name"), str):
        raise ConfigError.at(
            path,
            found="no name",
            expected='name = "..."',
            fix="Name the stream in the first line of the file.",
        )
    try:
        return StreamSpec(name=document["name"], tasks=tasks)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_task_option(text: str) -> TaskSpec:
    """Return the task of a command-line option `NAME=DATA`.

    Raises:
        ConfigError: The text has another form, or the name cannot be used.
    """
    name, equals, data = text.partition("=")
    if not equals or not data:
        raise ConfigError.at(
            "--task", found=repr(text), expected="NAME=DATA", fix="For example: --task signs=data/gtsrb"
        )
    return TaskSpec(name=name, data=Path(data).expanduser())


def _load_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{path}: cannot be read ({reason}). Check the path of the stream.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError.at(
            path, found=str(error), expected="TOML in UTF-8", fix="Mend the file."
        ) from error


def _read_task(path: Path, number: int, table: dict[str, Any], folder: Path) -> TaskSpec:
    where = f"[[task]] number {number}"
    _refuse_unknown_keys(path, where, table, allowed=TaskSpec.__struct_fields__)
    if isinstance(table.get("classes"), list):
        table = {**table, "classes": [_class_name(label) for label in table["classes"]]}
    try:
        spec = msgspec.convert(table, TaskSpec, dec_hook=_to_path)
        return msgspec.structs.replace(spec, data=folder / spec.data.expanduser())
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{path}, {where}: {error}") from None


def _refuse_unknown_keys(path: Path, where: str, table: dict[str, Any], *, allowed: Sequence[str]) -> None:
    unknown = sorted(set(table) - set(allowed))
    if unknown:
        raise ConfigError.at(
            f"{path}, {where}",
            found=f"the unknown key {', '.join(map(repr, unknown))}",
            expected=f"only {', '.join(map(repr, allowed))}",
            fix="Correct the spelling or remove the line.",
        )


def _class_name(label: object) -> object:
    """Classes may be written as numbers; labels are text everywhere else."""
    return str(label) if isinstance(label, int) and not isinstance(label, bool) else label


def _to_path(kind: type, text: object) -> object:
    if kind is Path and isinstance(text, str) and text:
        return Path(text)
    raise TypeError(f"Expected a path as text, got {text!r}")


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError.at(
            f"{kind} {name!r}",
            found="a name that cannot be a file name",
            expected=_NAME_RULE,
            fix=f"Rename the {kind}.",
        )


def _check_classes(where: str, classes: tuple[str, ...]) -> None:
    repeated = sorted({label for label in classes if classes.count(label) > 1})
    if repeated:
        raise ConfigError.at(
            where,
            found=f"{repeated[0]!r} twice in classes",
            expected="each class once",
            fix="Remove one of them.",
        )
    if len(classes) < 2:
        raise ConfigError.at(
            where,
            found=f"{len(classes)} in classes",
            expected="2 or more",
            fix="Name the classes to tell apart.",
        )
