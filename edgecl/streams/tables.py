"""Texts with labels in CSV or JSONL files, in UTF-8.

CSV: comma-separated, with a header that names `text` and `label`. JSONL: one object with these keys per line,
the label a string or an integer. Other columns and keys are ignored, blank lines too.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from edgecl.errors import DataError
from edgecl.streams.examples import Examples, Source, chosen_classes, keep_classes, normal_label, unreadable

TABLE_SUFFIXES = frozenset({".csv", ".jsonl"})

_PARTS = ("train", "test", "val")

_log = logging.getLogger(__name__)


class _Row(msgspec.Struct):
    text: str
    label: str | int


_rows = msgspec.json.Decoder(_Row)


def find_tables(folder: Path) -> dict[str, Path]:
    """Return the tables `train`, `test` and `val` of a folder, by these names; empty if there are none.

    Raises:
        DataError: A part is there both as CSV and as JSONL, or the folder cannot be read.
    """
    found: dict[str, Path] = {}
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error
    for entry in entries:
        if entry.stem in _PARTS and entry.suffix.lower() in TABLE_SUFFIXES:
            if entry.stem in found:
                raise DataError.at(
                    folder,
                    found=f"both {found[entry.stem].name} and {entry.name}",
                    expected="one of them",
                    fix="Remove the one that is not meant.",
                )
            found[entry.stem] = entry
    return found


def read_tables(path: Path, *, classes: Collection[str] | None) -> Source:
    """Return the texts of one table, or of the tables `train` and `test` of a folder; `val` is not used.

    Raises:
        DataError: A file cannot be read or is not such a table, a line is wrong, or a class is unknown.
    """
    tables = {"train": path} if path.is_file() else find_tables(path)
    if "train" not in tables:
        raise DataError.at(
            path,
            found=f"{', '.join(sorted(table.name for table in tables.values())) or 'no table'}",
            expected="train.csv or train.jsonl",
            fix="Name the training table 'train', or give its path as the data.",
        )
    if "val" in tables:
        _log.info("%s is not used", tables["val"])
    parts = {part: read_table(tables[part]) for part in ("train", "test") if part in tables}
    wanted = chosen_classes((label for part in parts.values() for label in part.labels), classes, where=path)
    kept = {part: keep_classes(examples, wanted) for part, examples in parts.items()}
    return Source(path, "text", kept["train"], kept.get("test"))


def read_table(path: Path) -> Examples:
    """Return the texts of one CSV or JSONL file in its order.

    Raises:
        DataError: The file cannot be read, or a line is wrong; the message names it.
    """
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise unreadable(path, error) from error
    _refuse_other_encodings(path, content)
    read = _csv_rows if path.suffix.lower() == ".csv" else _jsonl_rows
    texts: list[str] = []
    labels: list[str] = []
    for line, text, label in read(path, content):
        if not text.strip() or not label.strip():
            raise DataError.at(
                f"{path}, line {line}",
                found=f"an empty {'label' if text.strip() else 'text'}",
                expected="a text and a label",
                fix="Fill it in or remove the line.",
            )
        texts.append(text)
        labels.append(normal_label(label.strip()))
    if not texts:
        raise DataError.at(
            path, found="no rows", expected="texts with labels", fix="Check the path of the data."
        )
    return Examples(tuple(texts), tuple(labels))


def _refuse_other_encodings(path: Path, content: bytes) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError.at(
            f"{path}, line {line}",
            found=f"bytes that are not UTF-8 (0x{content[error.start]:02x})",
            expected="text in UTF-8",
            fix="Save the file as UTF-8, or convert it: iconv -f LATIN1 -t UTF-8",
        ) from None


def _jsonl_rows(path: Path, content: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield line number, text and label; only newlines end a line, JSON strings may hold other separators."""
    for line, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = _rows.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DataError.at(
                f"{path}, line {line}",
                found=f"no row of a table ({error})",
                expected='{"text": "...", "label": "..."}',
                fix="Mend the line or remove it.",
            ) from None
        yield line, row.text, str(row.label)


def _csv_rows(path: Path, content: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield line number, text and label; a quoted text may go over several lines, the last one is named."""
    reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if header.count("text") != 1 or header.count("label") != 1:
            raise DataError.at(
                path,
                found=f"the columns {', '.join(map(repr, header)) or 'of an empty file'}",
                expected="a first line with the columns 'text' and 'label', separated by commas",
                fix="Name the columns in the first line.",
            )
        text, label = header.index("text"), header.index("label")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError.at(
                    f"{path}, line {reader.line_num}",
                    found=f"{len(row)} columns",
                    expected=f"{len(header)} as in the header",
                    fix="Put texts that contain commas in double quotes.",
                )
            yield reader.line_num, row[text], row[label]
    except csv.Error as error:
        raise DataError.at(
            f"{path}, line {reader.line_num}",
            found=str(error),
            expected="CSV",
            fix="Mend the quotes of the line.",
        ) from None
