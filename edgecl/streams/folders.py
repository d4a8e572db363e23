"""Image folders: one sub-folder per class, either directly or inside `train/` and `test/`."""

from __future__ import annotations

import logging
import stat
from collections.abc import Collection
from pathlib import Path

from edgecl.errors import DataError
from edgecl.streams.examples import Examples, Item, Source, chosen_classes, normal_label, some_of, unreadable

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

_VALIDATION = frozenset({"val", "valid", "validation"})
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
_LAYOUT = "one sub-folder of images per class, directly or inside 'train' and 'test'"

_log = logging.getLogger(__name__)


def read_folders(path: Path, *, classes: Collection[str] | None) -> Source:
    """Return the images of a folder; hidden files and a validation part are left out.

    A sub-folder named `train` is a part, not a class, if it has sub-folders itself.

    Raises:
        DataError: The layout is another one, a class is empty or unknown, a file is no image or unreadable.
    """
    folders = _sub_folders(path)
    if "train" not in folders or not _sub_folders(folders["train"], images_allowed=True):
        wanted = chosen_classes(folders, classes, where=path)
        return Source(path, "image", _read_part(path, folders, wanted), None)
    foreign = sorted(set(folders) - {"train", "test"} - _VALIDATION)
    if foreign:
        raise DataError.at(
            path,
            found=f"{some_of(foreign)} beside 'train'",
            expected="only 'test' and 'val' beside it",
            fix="Move the classes into 'train' and 'test', or remove these two levels.",
        )
    for name in sorted(_VALIDATION & set(folders)):
        _log.info("%s: the part %r is not used", path, name)
    parts = {part: _sub_folders(folders[part]) for part in ("train", "test") if part in folders}
    wanted = chosen_classes({label for part in parts.values() for label in part}, classes, where=path)
    examples = {part: _read_part(folders[part], parts[part], wanted) for part in parts}
    return Source(path, "image", examples["train"], examples.get("test"))


def _sub_folders(path: Path, *, images_allowed: bool = False) -> dict[str, Path]:
    """Return the visible sub-folders by label; loose images are refused, other loose files ignored."""
    folders: dict[str, Path] = {}
    loose: list[str] = []
    for entry in _visible(path):
        if _is_folder(entry):
            label = _label(entry)
            if label in folders:
                raise DataError.at(
                    path,
                    found=f"the class {label!r} twice",
                    expected="each class once",
                    fix="Merge the two folders.",
                )
            folders[label] = entry
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            loose.append(entry.name)
    if images_allowed:
        return folders
    if loose:
        raise DataError.at(
            path,
            found=f"images outside a class folder ({some_of(loose)})",
            expected=_LAYOUT,
            fix="Move them into the folder of their class.",
        )
    if not folders:
        raise DataError.at(
            path, found="no class folders", expected=_LAYOUT, fix="Check the path of the data."
        )
    return folders


def _read_part(path: Path, folders: dict[str, Path], wanted: Collection[str]) -> Examples:
    files = {label: _images(folder) for label, folder in sorted(folders.items()) if label in wanted}
    empty = [label for label, images in files.items() if not images]
    if empty:
        raise DataError.at(
            path,
            found=f"no images in the class folders {some_of(list(map(repr, empty)))}",
            expected="at least one image in each",
            fix="Add images, remove the folders, or leave them out with 'classes'.",
        )
    items: list[Item] = [image for images in files.values() for image in images]
    labels = [label for label, images in files.items() for _ in images]
    return Examples(tuple(items), tuple(labels))


def _images(folder: Path) -> list[Path]:
    _refuse_loop(folder)
    entries = _visible(folder)
    foreign = [
        entry.name for entry in entries if _is_folder(entry) or entry.suffix.lower() not in IMAGE_SUFFIXES
    ]
    if foreign:
        raise DataError.at(
            folder,
            found=f"something that is no image ({some_of(foreign)})",
            expected=f"only files ending in {', '.join(sorted(IMAGE_SUFFIXES))}",
            fix="Move it elsewhere, or hide it with a name beginning with '.'.",
        )
    return entries


def _visible(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted by name."""
    try:
        names = sorted((entry.name for entry in folder.iterdir()), key=normal_label)
    except OSError as error:
        raise unreadable(folder, error) from error
    return [folder / name for name in names if not name.startswith(".") and name.lower() not in _SYSTEM_FILES]


def _is_folder(entry: Path) -> bool:
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError as error:
        raise unreadable(entry, error) from error


def _refuse_loop(folder: Path) -> None:
    """A class folder that is a link to a folder above itself would list the classes as its images."""
    if folder.is_symlink() and folder.resolve() in folder.parent.resolve().joinpath(folder.name).parents:
        raise DataError.at(
            folder,
            found="a symbolic link to a folder above it",
            expected="a folder of images",
            fix="Remove the link: it leads round in a circle.",
        )


def _label(folder: Path) -> str:
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError.at(
            folder.parent,
            found=f"a class folder whose name is not UTF-8 ({folder.name!a})",
            expected="names in UTF-8",
            fix="Rename the folder.",
        ) from None
    return normal_label(folder.name)
