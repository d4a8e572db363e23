"""Tables in pages of the documentation, between comments that name them and the result file they are made of."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any


def fill_named_pages(description: str | None, makers: Mapping[str, Callable[[Any], str]]) -> int:
    """Fill the tables of the pages that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE")
    for page in parser.parse_args().pages:
        fill_tables(page, makers)
    return 0


def fill_tables(page: Path, makers: Mapping[str, Callable[[Any], str]]) -> None:
    """Put a table into every place `<!-- KIND FILE -->` of a page whose kind has a maker.

    Args:
        page: A page in Markdown.
        makers: By kind, what makes a table of what a result file holds. FILE is named as it lies beside the page.
    """
    text = page.read_text(encoding="utf-8")
    places = re.findall(rf"<!-- ((?:{'|'.join(makers)}) \S+) -->", text)
    tables = {}
    for place in places:
        kind, name = place.split()
        tables[place] = makers[kind](json.loads((page.parent / name).read_text(encoding="utf-8")))
    fill_places(page, tables)


def fill_places(page: Path, tables: Mapping[str, str]) -> None:
    """Put each table between the comments `<!-- NAME -->` and `<!-- /NAME -->` of a page."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        text, count = place.subn(partial(_filled, table), text)
        if not count:
            raise SystemExit(f"{page}: found no place for {name!r}, expected it to end with <!-- /{name} -->")
    page.write_text(text, encoding="utf-8")


def _filled(table: str, place: re.Match[str]) -> str:
    return f"{place[1]}{table}\n{place[2]}"
