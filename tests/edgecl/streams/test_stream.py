from __future__ import annotations

from pathlib import Path

import pytest

from edgecl.errors import ConfigError
from edgecl.streams import StreamSpec, TaskSpec, parse_task_option, read_stream

FULL = """
name = "shop-floor"

[[task]]
name = "signs"
data = "gtsrb"
classes = ["Stop", "Yield"]
train_items = 400
test_items = 500
test_fraction = 0.25

[[task]]
name = "digits"
data = "/data/digits.npz"
classes = [1, 7]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "stream.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_stream_keeps_the_order_and_every_option_of_its_tasks(tmp_path: Path) -> None:
    stream = read_stream(write(tmp_path, FULL))
    signs, digits = stream.tasks
    assert stream.name == "shop-floor"
    assert signs == TaskSpec(
        name="signs",
        data=tmp_path / "gtsrb",
        classes=("Stop", "Yield"),
        train_items=400,
        test_items=500,
        test_fraction=0.25,
    )
    assert (digits.train_items, digits.test_items, digits.test_fraction) == (None, None, 0.2)


def test_data_are_relative_to_the_stream_file_unless_absolute(tmp_path: Path) -> None:
    signs, digits = read_stream(write(tmp_path, FULL)).tasks
    assert signs.data == tmp_path / "gtsrb"
    assert digits.data == Path("/data/digits.npz")


def test_data_may_lie_in_another_folder_than_the_stream_file(tmp_path: Path) -> None:
    signs, digits = read_stream(write(tmp_path, FULL), data=Path("/mnt")).tasks
    assert (signs.data, digits.data) == (Path("/mnt/gtsrb"), Path("/data/digits.npz"))


def test_a_stream_is_varied_in_items_and_order(tmp_path: Path) -> None:
    stream = read_stream(write(tmp_path, FULL))
    assert stream.varied() == stream
    digits, signs = stream.varied(per_class=5, reverse=True).tasks
    assert (digits.name, signs.name) == ("digits", "signs")
    assert (signs.train_items, signs.train_items_per_class, signs.test_items) == (None, 5, 500)


def test_a_stream_of_no_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train_items_per_class = 0, expected 1 or more"):
        read_stream(write(tmp_path, FULL)).varied(per_class=0)


def test_classes_written_as_numbers_become_text(tmp_path: Path) -> None:
    assert read_stream(write(tmp_path, FULL)).tasks[1].classes == ("1", "7")


def test_unknown_key_is_named_with_file_table_and_allowed_keys(tmp_path: Path) -> None:
    path = write(tmp_path, FULL + "train_itms = 3\n")
    with pytest.raises(ConfigError) as caught:
        read_stream(path)
    assert f"{path}, [[task]] number 2: found the unknown key 'train_itms'" in str(caught.value)
    assert "expected only 'name', 'data', 'classes', 'train_items', 'train_items_per_class', " in str(
        caught.value
    )


def test_unknown_key_at_the_top_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 'nme = "x"\n' + FULL)
    with pytest.raises(
        ConfigError, match=r"the top level: found the unknown key 'nme', expected only 'name', 'task'"
    ):
        read_stream(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "signs"', "name = 3", r"number 1: Expected `str`, got `int` - at `\$.name`"),
        ('data = "gtsrb"', "", "missing required field `data`"),
        ('data = "gtsrb"', 'data = ""', "Expected a path as text, got ''"),
        ("train_items = 400", "train_items = 1.5", r"at `\$.train_items`"),
        ("train_items = 400", "train_items = 0", "train_items = 0, expected 1 or more"),
        ("test_items = 500", "test_items = -1", "test_items = -1, expected 1 or more"),
        ("train_items = 400", "train_items_per_class = 0", "train_items_per_class = 0, expected 1 or more"),
        (
            "test_items = 500",
            "train_items_per_class = 5",
            "train_items and train_items_per_class, expected one",
        ),
        ("test_fraction = 0.25", "test_fraction = 1.0", "between 0 and 1"),
        ("test_fraction = 0.25", "test_fraction = nan", "between 0 and 1"),
        ('classes = ["Stop", "Yield"]', 'classes = ["Stop"]', "1 in classes, expected 2 or more"),
        ('classes = ["Stop", "Yield"]', 'classes = ["Stop", "Stop"]', "'Stop' twice"),
        ('classes = ["Stop", "Yield"]', "classes = [true, false]", r"at `\$.classes"),
        ('name = "shop-floor"', "", "found no name"),
        ('name = "shop-floor"', 'name = "shop floor"', "a name that cannot be a file name"),
        ("[[task]]", "[[task", "expected TOML in UTF-8"),
    ],
)
def test_impossible_values_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FULL
    path = write(tmp_path, FULL.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        read_stream(path)
    assert str(caught.value).startswith(str(path))


def test_a_single_task_table_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\n[task]\nname = "signs"\n')
    with pytest.raises(ConfigError, match=r"Write \[\[task\]\], not \[task\]"):
        read_stream(path)


def test_a_stream_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found no task, expected one or more"):
        read_stream(write(tmp_path, 'name = "empty"\n'))


def test_missing_stream_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml: cannot be read .No such file.*Check the path"):
        read_stream(tmp_path / "none.toml")


def test_deeply_nested_stream_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="recursion"):
        read_stream(write(tmp_path, "x = " + "[" * 5_000))


def test_stream_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stream.toml"
    path.write_bytes('name = "Straße"'.encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_stream(path)


@pytest.mark.parametrize("second", ["signs", "SIGNS"])
def test_tasks_that_would_share_a_file_name_are_refused(second: str) -> None:
    tasks = (TaskSpec(name="signs", data=Path("a")), TaskSpec(name=second, data=Path("b")))
    with pytest.raises(ConfigError, match=f"the task names 'signs' and '{second}'"):
        StreamSpec(name="stream", tasks=tasks)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "ä", "x" * 65, "a\n", "-a"])
def test_names_that_cannot_be_file_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a name that cannot be a file name"):
        TaskSpec(name=name, data=Path("a"))


@pytest.mark.parametrize("name", ["a", "7", "steel-defects_v1.2", "x" * 64])
def test_names_that_can_be_file_names_are_taken(name: str) -> None:
    assert TaskSpec(name=name, data=Path("a")).name == name


def test_task_option_splits_at_the_first_equals_sign() -> None:
    assert parse_task_option("signs=data/a=b") == TaskSpec(name="signs", data=Path("data/a=b"))


@pytest.mark.parametrize("text", ["signs", "signs=", ""])
def test_task_option_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--task: found .* expected NAME=DATA"):
        parse_task_option(text)


def test_task_option_with_a_bad_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="a name that cannot be a file name"):
        parse_task_option("a b=data")
