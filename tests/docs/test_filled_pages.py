"""Tables that scripts fill hold what the result files say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {
    "results.md": "arms_tables.py",
    "transfer.md": "arms_tables.py",
    "backbones/vit-64.md": "backbone_tables.py",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A copy of the pages and of the results."""
    return Path(shutil.copytree(DOCS, tmp_path / "docs"))


def fill(page: Path, script: str) -> str:
    """Fill the tables of a page and return it."""
    subprocess.run([sys.executable, ROOT / "scripts" / script, page], check=True)
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_filling_a_page_again_changes_nothing(page: str, docs: Path) -> None:
    assert fill(docs / page, PAGES[page]) == (DOCS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "cell"),
    [
        ("results.md", "| `adapter` | 7"),
        ("transfer.md", "| `gated` | 42.2 ± 1.7"),
        ("backbones/vit-64.md", "| neu_steel (6) | 3"),
    ],
)
def test_a_figure_that_was_changed_by_hand_is_put_right(page: str, cell: str, docs: Path) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert cell in text
    (docs / page).write_text(text.replace(cell, f"{cell[:-1]}9"), encoding="utf-8")
    assert fill(docs / page, PAGES[page]) == text
