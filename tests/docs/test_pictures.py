"""Pictures of the documentation are of the result files that lie beside them."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

import pytest
from PIL import Image

from scripts.arms_tables import transfers
from scripts.draw_results import PICTURES, SHOWN, draw_picture, gains_by_known, source_of

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_from_what_its_files_hold_today(name: str) -> None:
    paths = [RESULTS / f"{file}.json" for file in PICTURES[name][1]]
    with Image.open(RESULTS / f"{name}.png") as picture:
        assert picture.info["Source"] == source_of(paths)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_can_be_drawn_again(name: str, tmp_path: Path) -> None:
    for file in PICTURES[name][1]:
        shutil.copy(RESULTS / f"{file}.json", tmp_path)
    draw_picture(name, tmp_path)
    with Image.open(tmp_path / f"{name}.png") as again, Image.open(RESULTS / f"{name}.png") as shown:
        assert again.info["Source"] == shown.info["Source"]
        assert abs(again.height - shown.height) < 40


@pytest.mark.parametrize("name", PICTURES)
def test_a_page_shows_each_picture_with_words_for_those_who_cannot_see_it(name: str) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    before, _, _ = pages.partition(f"](results/{name}.png)")
    assert len(before.rpartition("![")[2]) > 20


@pytest.mark.parametrize("file", PICTURES["transfer"][1])
def test_drawn_gains_are_those_of_the_tables(file: str) -> None:
    result = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))
    for arm in SHOWN:
        if arm in transfers(result):
            drawn = gains_by_known(result, arm)
            for known, gain in list(enumerate(transfers(result)[arm]["by_tasks_known"]))[1:]:
                assert (gain is None) == (known not in drawn)
                if gain is not None:
                    assert statistics.fmean(drawn[known]) == pytest.approx(gain, abs=0.011)
