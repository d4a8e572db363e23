"""Tables in pages of the documentation, between comments that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def fill_places(page: Path, tables: Mapping[str, str]) -> None:
    """Put each table between the comments `<!-- NAME -->` and `<!-- /NAME -->` of a page."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        text = place.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    page.write_text(text, encoding="utf-8")
