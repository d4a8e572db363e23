from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecl.errors import DataError
from edgecl.streams import check_items
from tests.edgecl.streams.factories import make_image, make_preprocessor, make_task, make_text_preprocessor


def make_broken(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no image")
    return path


def test_every_item_is_prepared_in_the_order_of_the_task(tmp_path: Path) -> None:
    items = [make_image(tmp_path / f"{number}.png") for number in range(70)]
    prepared = check_items(make_task(items[:40], items[40:]), make_preprocessor())
    expected = make_preprocessor().prepare(items)
    assert (len(prepared.train), len(prepared.test)) == (40, 30)
    assert all(np.array_equal(a, b) for a, b in zip(prepared.train + prepared.test, expected, strict=True))


def test_prepared_images_are_compact(tmp_path: Path) -> None:
    task = make_task([make_image(tmp_path / "a.png")], [make_image(tmp_path / "b.png")])
    image = check_items(task, make_preprocessor(size=4)).train[0]
    assert image.shape == (4, 4, 3)
    assert image.dtype == np.uint8


def test_array_images_are_prepared(tmp_path: Path) -> None:
    task = make_task([np.zeros((5, 6, 3), np.uint8)], [make_image(tmp_path / "b.png")])
    assert check_items(task, make_preprocessor()).train[0].shape == (4, 4, 3)


def test_texts_are_tokenised(tmp_path: Path) -> None:
    preprocessor = make_text_preprocessor(tmp_path, "good", "bad")
    prepared = check_items(make_task(["good", "bad good"], ["odd"], modality="text"), preprocessor)
    assert [tokens.tolist() for tokens in prepared.train + prepared.test] == [[1], [2, 1], [0]]


def test_items_of_the_other_modality_are_refused(tmp_path: Path) -> None:
    preprocessor = make_text_preprocessor(tmp_path, "good")
    with pytest.raises(DataError, match="2 of 2 images that cannot be used"):
        check_items(make_task([make_image(tmp_path / "a.png")], [tmp_path / "b.png"]), preprocessor)


def test_the_first_five_broken_images_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    good = [make_image(tmp_path / f"good{i}.png") for i in range(40)]
    broken = [make_broken(tmp_path / f"broken{i}.png") for i in range(7)]
    with pytest.raises(DataError, match="found 7 of 47 images that cannot be used") as caught:
        check_items(make_task(good, broken), make_preprocessor())
    message = str(caught.value)
    assert [f"broken{i}.png" in message for i in range(7)] == [True] * 5 + [False] * 2
    assert message.endswith("and 2 more")


def test_a_broken_image_is_named_once_with_the_reason(tmp_path: Path) -> None:
    task = make_task([make_image(tmp_path / "a.png")], [make_broken(tmp_path / "b.png")])
    with pytest.raises(DataError) as caught:
        check_items(task, make_preprocessor())
    assert str(caught.value).count(f"{tmp_path / 'b.png'}: ") == 1
    assert "cannot be read as an image" in str(caught.value)


def test_an_image_cut_off_in_the_middle_is_found(tmp_path: Path) -> None:
    image = make_image(tmp_path / "a.png", size=64)
    image.write_bytes(image.read_bytes()[:-40])
    with pytest.raises(DataError, match="1 of 2 images"):
        check_items(make_task([image], [make_image(tmp_path / "b.png")]), make_preprocessor())


def test_a_broken_array_is_named_by_part_and_position(tmp_path: Path) -> None:
    task = make_task([make_image(tmp_path / "a.png")], [np.zeros((4, 4, 7), np.uint8)])
    with pytest.raises(DataError, match="test item 0: "):
        check_items(task, make_preprocessor())


def test_progress_is_reported_up_to_the_end(tmp_path: Path) -> None:
    items = [make_image(tmp_path / f"{number}.png") for number in range(70)]
    seen: list[tuple[int, int]] = []
    check_items(
        make_task(items, []), make_preprocessor(), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(32, 70), (64, 70), (70, 70)]
