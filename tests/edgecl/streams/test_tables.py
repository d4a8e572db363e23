from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecl.errors import DataError
from edgecl.streams.tables import read_table, read_tables
from tests.edgecl.streams.factories import make_jsonl, make_rows


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_jsonl_rows_keep_their_order_and_integer_labels_become_text(tmp_path: Path) -> None:
    table = read_table(make_jsonl(tmp_path / "a.jsonl", [("one", 1), ("two\u2028lines", "b"), ("three", 10)]))
    assert table.items == ("one", "two\u2028lines", "three")
    assert table.labels == ("1", "b", "10")


def test_csv_columns_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,label, text\r\n1,good,"yes, ""very"""\r\n\r\n2,bad,"two\nlines"\r\n')
    table = read_table(path)
    assert table.items == ('yes, "very"', "two\nlines")
    assert table.labels == ("good", "bad")


@pytest.mark.parametrize(
    ("name", "line"), [("a.csv", "text,label\nx,y\n"), ("a.jsonl", '{"text":"x","label":"y"}')]
)
def test_a_byte_order_mark_is_skipped(tmp_path: Path, name: str, line: str) -> None:
    assert read_table(write(tmp_path / name, "\ufeff" + line)).items == ("x",)


def test_a_single_table_has_no_test_part(tmp_path: Path) -> None:
    source = read_tables(make_jsonl(tmp_path / "a.jsonl", make_rows()), classes=None)
    assert source.test is None
    assert source.modality == "text"


def test_a_folder_of_tables_has_parts_and_val_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_jsonl(tmp_path / "train.jsonl", make_rows({"a": 2, "b": 2}))
    write(tmp_path / "test.CSV", "text,label\nx,a\ny,b\n")
    make_jsonl(tmp_path / "val.jsonl", make_rows({"a": 1}))
    with caplog.at_level(logging.INFO):
        source = read_tables(tmp_path, classes=None)
    assert source.test is not None
    assert (len(source.train.items), source.test.items) == (4, ("x", "y"))
    assert "val.jsonl is not used" in caplog.text


def test_only_the_chosen_classes_are_kept(tmp_path: Path) -> None:
    path = make_jsonl(tmp_path / "a.jsonl", [("x", 1), ("y", 2), ("z", 3)])
    assert read_tables(path, classes=("3", "1")).train.items == ("x", "z")


def test_unknown_classes_are_named(tmp_path: Path) -> None:
    path = make_jsonl(tmp_path / "a.jsonl", make_rows())
    with pytest.raises(DataError, match="no class 'x', expected classes among 'crack', 'dent'"):
        read_tables(path, classes=("crack", "x"))


def test_a_part_in_two_formats_is_refused(tmp_path: Path) -> None:
    make_jsonl(tmp_path / "train.jsonl", make_rows())
    write(tmp_path / "train.csv", "text,label\nx,a\n")
    with pytest.raises(DataError, match=r"both train.csv and train.jsonl, expected one of them"):
        read_tables(tmp_path, classes=None)


def test_a_test_table_without_a_training_table_is_refused(tmp_path: Path) -> None:
    make_jsonl(tmp_path / "test.jsonl", make_rows())
    with pytest.raises(DataError, match=r"found test.jsonl, expected train.csv or train.jsonl"):
        read_tables(tmp_path, classes=None)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("sentence,label\nx,y\n", "the columns 'sentence', 'label'"),
        ("text;label\nx;y\n", "the columns 'text;label'"),
        ("text,text,label\nx,y,z\n", "the columns 'text', 'text', 'label'"),
        ("", "the columns of an empty file"),
        ("text,label\n", "no rows"),
        ("text,label\nx,y\nx\n", "line 3: found 1 columns, expected 2"),
        ("text,label\nyes, sir,y\n", "line 2: found 3 columns, expected 2 .* double quotes"),
        ('text,label\n"x,y\n', "line 2: found unexpected end of data"),
        ("text,label\n ,y\n", "line 2: found an empty text"),
        ("text,label\nx, \n", "line 2: found an empty label"),
    ],
)
def test_a_csv_that_is_no_table_is_refused(tmp_path: Path, content: str, found: str) -> None:
    with pytest.raises(DataError, match=rf"a.csv.*found {found}".replace("found line", "line")):
        read_table(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "truncated"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"text": "x"}', "missing required field `label`"),
        ('{"text": "x", "label": true}', "got `bool`"),
        ('{"text": 3, "label": "y"}', r"Expected `str`, got `int` - at `\$.text`"),
        ('{"text": "\\ud800", "label": "y"}', "surrogate"),
        pytest.param('{"x": ' + "[" * 100_000, "recursion", id="deeply nested"),
    ],
)
def test_a_jsonl_line_that_is_no_row_is_refused_with_its_number(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "x", "label": "y"}\n\n' + line)
    with pytest.raises(DataError, match=rf"a.jsonl, line 3: found no row of a table \(.*{reason}"):
        read_table(path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_encoding_is_refused_with_the_line(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "text,label\nStraße,ort\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 2: found bytes that are not UTF-8 \(0xdf\).*iconv"):
        read_table(path)


def test_a_table_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"a.csv: cannot be read .Permission denied"):
        read_table(tmp_path / "a.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl"]))
def test_any_bytes_are_a_table_or_a_data_error(tmp_path: Path, raw: bytes, name: str) -> None:
    with suppress(DataError):
        read_table(write(tmp_path / name, raw))
